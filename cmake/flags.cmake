# Flags of every C++ target: link keelson_flags. Warnings are errors; hardening is always on.
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "aarch64")
  set(branch_protection -mbranch-protection=standard)
else()
  set(branch_protection -fcf-protection=full)
endif()
# Programs must not tell, nor differ by, the folder they were built in.
set(keelson_prefix_map -ffile-prefix-map=${PROJECT_SOURCE_DIR}=.)
add_library(keelson_flags INTERFACE)
target_compile_options(keelson_flags INTERFACE
  -Wall -Wextra -Wshadow -Werror -g1 -pthread
  -fPIE -fstack-protector-strong ${branch_protection} ${keelson_prefix_map})
target_link_options(keelson_flags INTERFACE -pie -Wl,-z,relro,-z,now)

if(KEELSON_SANITIZE)
  target_compile_options(keelson_flags INTERFACE
    -fsanitize=${KEELSON_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(keelson_flags INTERFACE -fsanitize=${KEELSON_SANITIZE})
else()
  # Fortified functions hide accesses from the sanitizers, so never both.
  target_compile_options(keelson_flags INTERFACE
    $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE> $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=3>)
endif()
target_compile_definitions(keelson_flags INTERFACE _GLIBCXX_ASSERTIONS)
