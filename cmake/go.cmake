# The Go toolchain, for programs that only tests need. No distribution package is new enough.
set(KEELSON_GO_MIN 1.24)  # net/http HTTP2Config
find_program(KEELSON_GO go HINTS /usr/local/go/bin)
if(KEELSON_GO)
  execute_process(COMMAND ${CMAKE_COMMAND} -E env GOTOOLCHAIN=local ${KEELSON_GO} env GOVERSION
                  OUTPUT_VARIABLE go_version OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  string(REGEX MATCH "[0-9]+\\.[0-9.]+" go_version "${go_version}")
endif()
if(go_version VERSION_GREATER_EQUAL KEELSON_GO_MIN)
  set(KEELSON_HAS_GO ON)
else()
  set(KEELSON_HAS_GO OFF)
  set(level WARNING)
  if("$ENV{KEELSON_REQUIRE_ROOT}")  # CI: every test has to be there
    set(level FATAL_ERROR)
  endif()
  message(${level} "No Go toolchain of ${KEELSON_GO_MIN} or newer (found: '${KEELSON_GO}' ${go_version}): the tests against "
    "kube-standin (tests/support/apiserver) are left out. Unpack one into /usr/local/go or set KEELSON_GO.")
endif()

# keelson_go_program(NAME FOLDER): the main package in FOLDER as bin/NAME, from the standard library alone.
# Compiled packages are kept in the user's Go cache, or in the build folder where there is no home.
function(keelson_go_program name folder)
  file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.go)
  set(cache)
  if(NOT DEFINED ENV{HOME} AND NOT DEFINED ENV{GOCACHE})
    set(cache GOCACHE=${PROJECT_BINARY_DIR}/go-cache)
  endif()
  set(program ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/${name})
  add_custom_command(OUTPUT ${program} DEPENDS ${sources} ${folder}/go.mod
    COMMAND ${CMAKE_COMMAND} -E env ${cache} CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS=-buildvcs=false
            ${KEELSON_GO} build -trimpath -o ${program} .
    WORKING_DIRECTORY ${folder} COMMENT "Building ${name}" VERBATIM)
  add_custom_target(${name} ALL DEPENDS ${program})
endfunction()

# keelson_go_test(NAME FOLDER): gofmt, go vet and go test of a module as one ctest entry.
function(keelson_go_test name folder)
  add_test(NAME ${name} COMMAND python3 ${PROJECT_SOURCE_DIR}/tests/support/run_go_tests.py
           ${PROJECT_BINARY_DIR}/reports/${name}.xml ${KEELSON_GO} ${folder} ${PROJECT_BINARY_DIR}/go-cache)
  set_tests_properties(${name} PROPERTIES LABELS unit TIMEOUT 300)
endfunction()
