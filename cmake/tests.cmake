# keelson_test(NAME LABEL sources... LIBS libs...): one GoogleTest program, run by ctest as one entry
# with the label `unit` (no root), `bpf` or `netns` (root, kernel). Reports land in reports/NAME.xml,
# which tools/test-report adds up. Root tests share the kernel's cgroup root: one at a time.
set(KEELSON_THREADED_TESTS base_test hbone_test io_test proxy_test proxy_worker_test tls_test)

function(keelson_test name label)
  cmake_parse_arguments(ARG "" "TIMEOUT" "LIBS" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE keelson_flags ${ARG_LIBS} GTest::gmock GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name} --gtest_output=xml:${PROJECT_BINARY_DIR}/reports/${name}.xml
           WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set(labels ${label})
  if(name IN_LIST KEELSON_THREADED_TESTS)
    list(APPEND labels threaded)  # also under the thread sanitizer
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${labels}" TIMEOUT ${ARG_TIMEOUT}
    ENVIRONMENT "KEELSON_BIN=${PROJECT_BINARY_DIR}/bin")
  if(NOT label STREQUAL unit)
    set_tests_properties(${name} PROPERTIES RESOURCE_LOCK kernel)
  endif()
  set_property(GLOBAL APPEND PROPERTY KEELSON_TESTS_${label} ${name})
endfunction()

# keelson_python_test(NAME LABEL FOLDER import roots...): the *_test.py of a folder (unittest) as one entry, run by
# KEELSON_PYTHON.
set(KEELSON_PYTHON python3)
function(keelson_python_test name label folder)
  add_test(NAME ${name} COMMAND ${KEELSON_PYTHON} ${PROJECT_SOURCE_DIR}/tests/support/run_unittests.py
           ${PROJECT_BINARY_DIR}/reports/${name}.xml ${folder} ${ARGN} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT 120
    ENVIRONMENT "KEELSON_BIN=${PROJECT_BINARY_DIR}/bin")
  if(NOT label STREQUAL unit)
    set_tests_properties(${name} PROPERTIES RESOURCE_LOCK kernel)
  endif()
endfunction()
