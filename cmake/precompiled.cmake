# The standard headers, parsed once for all programs: they were nearly half of a clean build. The
# sanitizer presets build without, so that a source that forgets an #include does not compile there.
# They and the tests also must: from a precompiled header gcc 12 warns of bounds inside std::string.
file(WRITE ${PROJECT_BINARY_DIR}/keelson_headers.cpp "")
add_library(keelson_headers OBJECT ${PROJECT_BINARY_DIR}/keelson_headers.cpp)
target_link_libraries(keelson_headers PRIVATE keelson_flags)
target_compile_options(keelson_headers PRIVATE -fpch-preprocess)
target_precompile_headers(keelson_headers PRIVATE
  <algorithm> <array> <atomic> <chrono> <cstring> <deque> <filesystem> <functional> <map> <memory>
  <mutex> <optional> <set> <span> <sstream> <string> <string_view> <thread> <tl/expected.hpp>
  <unordered_map> <utility> <variant> <vector>)

function(keelson_precompile folder)
  get_property(folders DIRECTORY ${folder} PROPERTY SUBDIRECTORIES)
  foreach(inner IN LISTS folders)
    keelson_precompile(${inner})
  endforeach()
  get_property(targets DIRECTORY ${folder} PROPERTY BUILDSYSTEM_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(type ${target} TYPE)
    get_target_property(sources ${target} SOURCES)
    if(type MATCHES "EXECUTABLE|STATIC_LIBRARY" AND sources MATCHES "\\.cpp|\\.cc")
      target_compile_options(${target} PRIVATE -fpch-preprocess)
      target_precompile_headers(${target} REUSE_FROM keelson_headers)
    endif()
  endforeach()
endfunction()

foreach(folder agent userspace-l7 tools)
  keelson_precompile(${PROJECT_SOURCE_DIR}/${folder})
endforeach()
