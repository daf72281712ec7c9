# Unit tests stand beside their source as x_test.cpp; one program per layer.
# Labels: unit, contract, sim (no Docker, no network), docker (a real engine).
#
# MATRX_TESTS=OPTIMIZED, for the release build: only the programs that say so, since everything runs under the
# sanitizers. They do what takes too long or says nothing there: many seeds of the simulation, and memory.
# MATRX_TESTS=THREADED, for the thread sanitizer: without the programs whose layers have one thread and hand nothing to
# another, and those that are killed or forked in ways that it cannot follow.
set(SINGLE_THREADED model_test wire_test api_test ssh_test apps_orchestrator_test guest_contract_test)
find_package(GTest REQUIRED)
include(GoogleTest)

add_library(matrx_testing STATIC ${CMAKE_SOURCE_DIR}/tests/fakes/run_task.cpp)
target_include_directories(matrx_testing PUBLIC ${CMAKE_SOURCE_DIR}/tests)
target_link_libraries(matrx_testing PUBLIC matrx_async GTest::gmock GTest::gtest_main)

# test_program(<name> <label> SOURCES … LIBS … [ENV …] [FILTER <what of it runs by itself>] [OPTIMIZED])
function(test_program name label)
  cmake_parse_arguments(ARG "OPTIMIZED" "FILTER" "SOURCES;LIBS;ENV" ${ARGN})
  if(NOT ARG_SOURCES OR (MATRX_TESTS STREQUAL OPTIMIZED AND NOT ARG_OPTIMIZED) OR
     (MATRX_TESTS STREQUAL THREADED AND name IN_LIST SINGLE_THREADED))
    return()
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE matrx_testing ${ARG_LIBS})
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 300 TEST_FILTER "${ARG_FILTER}"
    PROPERTIES LABELS ${label} ENVIRONMENT "${ARG_ENV}")
endfunction()

# test_on_postgres(<program> <filter>): these tests of a test_program in one run, with a database.
function(test_on_postgres name filter)
  if(NOT TARGET ${name})
    return()
  endif()
  add_test(NAME ${name}_postgres
    COMMAND ${CMAKE_SOURCE_DIR}/tools/with-postgres.sh $<TARGET_FILE:${name}> --gtest_filter=${filter})
  set_tests_properties(${name}_postgres PROPERTIES LABELS contract)
endfunction()

# test_on_s3(<program> <filter>): the same with an object store, which runs in a container.
function(test_on_s3 name filter)
  if(NOT TARGET ${name})
    return()
  endif()
  add_test(NAME ${name}_s3
    COMMAND ${CMAKE_SOURCE_DIR}/tools/with-s3.sh $<TARGET_FILE:${name}> --gtest_filter=${filter})
  set_tests_properties(${name}_s3 PROPERTIES LABELS docker)
endfunction()

foreach(folder base async model wire http core api ssh agent adapters/disk adapters/homes adapters/sqlite
        adapters/postgres adapters/mounts adapters/mount_s3 adapters/rclone adapters/docker
        adapters/guest apps/orchestrator)
  string(REPLACE "/" "_" name ${folder})
  file(GLOB tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${folder}/*_test.cpp)
  test_program(${name}_test unit SOURCES ${tests} LIBS matrx_${name})
endforeach()

include(cmake/test_suites.cmake)

# fuzz_target(<name>): tests/fuzz/<name>.cpp, one per decoder.
if(MATRX_FUZZ)
  file(GLOB fuzz_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/fuzz/fuzz_*.cpp)
  foreach(source ${fuzz_sources})
    get_filename_component(name ${source} NAME_WE)
    add_executable(${name} ${source})
    target_link_libraries(${name} PRIVATE matrx_api matrx_agent matrx_adapters_docker)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  endforeach()
endif()
