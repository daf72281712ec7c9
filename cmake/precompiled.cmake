# Precompiled headers of the standard library, Boost, fmt and GoogleTest, for the time of a build from nothing. That
# every file includes what it uses, clang-tidy and the coverage build see: they go without.
#
# Clang takes such headers only where the optimization is the same: some targets bring their own (cmake/layers.cmake).
set(other_level $<IF:$<CONFIG:Debug>,-O1,-Os>)
add_library(matrx_precompiled OBJECT ${CMAKE_SOURCE_DIR}/cmake/precompiled.cpp)
add_library(matrx_precompiled_other OBJECT ${CMAKE_SOURCE_DIR}/cmake/precompiled.cpp)
target_compile_options(matrx_precompiled_other PRIVATE ${other_level})
foreach(headers matrx_precompiled matrx_precompiled_other)
  target_link_libraries(${headers} PRIVATE matrx_options fmt::fmt-header-only Boost::json Threads::Threads)
  target_precompile_headers(${headers} PRIVATE <algorithm> <chrono> <deque> <filesystem> <fstream> <functional> <map>
    <memory> <optional> <random> <regex> <set> <span> <string> <string_view> <unordered_map> <variant> <vector>
    <fmt/format.h> <boost/json.hpp> <boost/asio.hpp>
    <boost/beast/http.hpp>)
  if(MATRX_TESTS MATCHES "^(ON|THREADED)$")  # else the shipped build would compile all anew for its few tests
    target_link_libraries(${headers} PRIVATE GTest::gtest)
    target_precompile_headers(${headers} PRIVATE <gtest/gtest.h>)
  endif()
endforeach()

get_property(targets DIRECTORY PROPERTY BUILDSYSTEM_TARGETS)
foreach(target ${targets})
  get_target_property(type ${target} TYPE)
  get_target_property(options ${target} COMPILE_OPTIONS)
  # A position-independent program is compiled with other flags than a library is: its main() goes without.
  if(target MATCHES "^matrx_precompiled" OR
     NOT (type STREQUAL STATIC_LIBRARY OR (type STREQUAL EXECUTABLE AND NOT CMAKE_POSITION_INDEPENDENT_CODE)))
    continue()
  endif()
  if(options MATCHES "CONFIG:${CMAKE_BUILD_TYPE}>:-O")
    target_precompile_headers(${target} REUSE_FROM matrx_precompiled_other)
  else()
    target_precompile_headers(${target} REUSE_FROM matrx_precompiled)
  endif()
endforeach()
