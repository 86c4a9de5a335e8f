# vcfs_component(NAME source…): a static library vcfs_NAME of one folder, with the shared precompiled header.
function(vcfs_component name)
  add_library(vcfs_${name} STATIC ${ARGN})
  target_include_directories(vcfs_${name} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(vcfs_${name} PUBLIC vcfs_schema)
  target_precompile_headers(vcfs_${name} REUSE_FROM vcfs_common)
endfunction()

# Executables are compiled like the libraries (-fPIC instead of CMake's -fPIE), or they could not use the precompiled header.
function(vcfs_use_shared_pch target)
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(${target} PRIVATE -fPIC)
  target_precompile_headers(${target} REUSE_FROM vcfs_common)
endfunction()

# vcfs_program(NAME component source…): an executable build/…/bin/NAME on top of a component.
function(vcfs_program name component)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE vcfs_${component} vcfs_allocator)
  vcfs_use_shared_pch(${name})
endfunction()

# vcfs_unit_test(NAME component… SOURCES source…): a GoogleTest program unit_NAME, registered test by test with the
# label "unit". ONE_PROCESS: registered as one, because its tests share something that takes long to start.
function(vcfs_unit_test name)
  cmake_parse_arguments(T "ONE_PROCESS" "LABEL" "COMPONENTS;SOURCES" ${ARGN})
  if(NOT T_LABEL)
    set(T_LABEL unit)
  endif()
  add_executable(${T_LABEL}_${name} ${T_SOURCES})
  target_link_libraries(${T_LABEL}_${name} PRIVATE GTest::gtest GTest::gmock GTest::gtest_main)
  foreach(component ${T_COMPONENTS})
    target_link_libraries(${T_LABEL}_${name} PRIVATE vcfs_${component})
  endforeach()
  vcfs_use_shared_pch(${T_LABEL}_${name})
  if(T_ONE_PROCESS)
    add_test(NAME ${T_LABEL}_${name} COMMAND ${T_LABEL}_${name})
    set_tests_properties(${T_LABEL}_${name} PROPERTIES LABELS ${T_LABEL} TIMEOUT 300)
    return()
  endif()
  gtest_discover_tests(${T_LABEL}_${name} PROPERTIES LABELS ${T_LABEL} TIMEOUT 120 DISCOVERY_TIMEOUT 60)
endfunction()
