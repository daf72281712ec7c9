# Tests that are not of one layer: the simulation and the contract suites.
add_library(matrx_fakes STATIC ${CMAKE_SOURCE_DIR}/tests/fakes/sim_context.cpp
  ${CMAKE_SOURCE_DIR}/tests/fakes/sim_world.cpp
  ${CMAKE_SOURCE_DIR}/tests/fakes/sim_homes.cpp
  ${CMAKE_SOURCE_DIR}/tests/fakes/sim_machine.cpp)
target_link_libraries(matrx_fakes PUBLIC matrx_testing matrx_core matrx_adapters_memory)
target_compile_options(matrx_fakes PRIVATE $<$<CONFIG:Debug>:-O1>)

file(GLOB sim_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/sim/*.cpp)
test_program(sim_test sim SOURCES ${sim_sources} LIBS matrx_fakes OPTIMIZED)
target_compile_options(sim_test PRIVATE $<$<CONFIG:Debug>:-O1>)

test_program(store_contract_test contract
  SOURCES ${CMAKE_SOURCE_DIR}/tests/contract/store_contract_test.cpp
    ${CMAKE_SOURCE_DIR}/tests/contract/store_time_test.cpp
  LIBS matrx_adapters_memory matrx_adapters_sqlite matrx_adapters_postgres
  FILTER "-*Postgres*")
# Those of Postgres all on one server, which is started for them.
test_on_postgres(store_contract_test "*Postgres*")

test_program(sqlite_upgrade_test contract
  SOURCES ${CMAKE_SOURCE_DIR}/tests/contract/sqlite_upgrade_test.cpp
  LIBS matrx_adapters_sqlite)
if(TARGET sqlite_upgrade_test)
  target_compile_definitions(sqlite_upgrade_test PRIVATE
    MATRX_SQLITE_MIGRATIONS_FOLDER="${CMAKE_SOURCE_DIR}/migrations/sqlite"
    MATRX_FIRST_SCHEMA="${CMAKE_SOURCE_DIR}/tests/contract/schemas/sqlite_first.sql")
endif()

test_program(guest_contract_test contract
  SOURCES ${CMAKE_SOURCE_DIR}/tests/contract/guest_contract_test.cpp
    ${CMAKE_SOURCE_DIR}/tests/contract/guest_protocol_test.cpp
  LIBS matrx_adapters_guest
  ENV "MATRX_AGENT_BINARY=$<TARGET_FILE:matrx-agent>" OPTIMIZED)
if(TARGET guest_contract_test)
  add_dependencies(guest_contract_test matrx-agent)
endif()

# Unit tests that need a simulated world or a loop that can be killed.
if(TARGET api_test)
  target_sources(api_test PRIVATE ${CMAKE_SOURCE_DIR}/tests/sim/orchestrator_life.cpp)
  target_link_libraries(api_test PRIVATE matrx_fakes)
endif()
if(TARGET agent_test)
  target_link_libraries(agent_test PRIVATE matrx_fakes)
endif()

# The orchestrator that dies where tests/integration/failpoints.py wants it to.
add_executable(matrx-orchestrator-failpoints ${CMAKE_SOURCE_DIR}/tests/failpoints/main.cpp)
target_link_libraries(matrx-orchestrator-failpoints PRIVATE matrx_apps_orchestrator)
if(TARGET adapters_postgres_test)
  target_compile_definitions(adapters_postgres_test PRIVATE
    MATRX_MIGRATIONS_FOLDER="${CMAKE_SOURCE_DIR}/migrations")
endif()

test_program(storage_contract_test contract
  SOURCES ${CMAKE_SOURCE_DIR}/tests/contract/storage_contract_test.cpp
  LIBS matrx_adapters_localdisk matrx_adapters_rclone
  FILTER "-*/S3")
test_on_s3(storage_contract_test "*/S3")
