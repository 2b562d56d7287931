# keelson_bpf_object(NAME source.bpf.c [headers...]): compiles one BPF program file with clang and
# generates its skeleton NAME.skel.h, reached by linking NAME_skeleton.
find_program(KEELSON_CLANG NAMES clang-14 REQUIRED)
find_program(KEELSON_BPFTOOL NAMES bpftool PATHS /usr/sbin /sbin REQUIRED)
find_program(KEELSON_LLVM_STRIP NAMES llvm-strip-14 llvm-strip REQUIRED)

function(keelson_bpf_object name source)
  set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.o)
  set(skeleton ${CMAKE_CURRENT_BINARY_DIR}/${name}.skel.h)
  add_custom_command(
    OUTPUT ${skeleton}
    COMMAND ${KEELSON_CLANG} -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror ${keelson_prefix_map}
            -I${PROJECT_SOURCE_DIR}/bpf -I${PROJECT_SOURCE_DIR}/bpf/include
            -I${CMAKE_SYSROOT}/usr/include/${CMAKE_LIBRARY_ARCHITECTURE} -I${CMAKE_SYSROOT}/usr/include
            -MD -MF ${object}.d -MT ${skeleton}
            -c ${CMAKE_CURRENT_SOURCE_DIR}/${source} -o ${object}
    COMMAND ${KEELSON_LLVM_STRIP} -g ${object}
    COMMAND ${KEELSON_BPFTOOL} gen skeleton ${object} name ${name} > ${skeleton}
    DEPENDS ${source} DEPFILE ${object}.d
    COMMENT "BPF ${name}" VERBATIM)
  add_custom_target(${name}_object DEPENDS ${skeleton})
  add_library(${name}_skeleton INTERFACE)
  add_dependencies(${name}_skeleton ${name}_object)
  target_include_directories(${name}_skeleton SYSTEM INTERFACE ${CMAKE_CURRENT_BINARY_DIR})
  target_link_libraries(${name}_skeleton INTERFACE PkgConfig::libbpf)
endfunction()
