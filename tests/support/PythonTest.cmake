# vcfs_python_test(FOLDER FILE… [LABELS …] [TIMEOUT s] [PARALLEL]): registers unittest files as <folder>.<name>, run by
# tests/support/run.py. One at a time unless PARALLEL: they measure time and use mounts.
include_guard(GLOBAL)
set(VCFS_PYTHON /usr/bin/python3 CACHE STRING "interpreter of the black-box tests; only its standard library is used")

function(vcfs_python_test folder)
  cmake_parse_arguments(T "PARALLEL" "TIMEOUT" "LABELS" ${ARGN})
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 300)
  endif()
  foreach(file ${T_UNPARSED_ARGUMENTS})
    string(REGEX REPLACE "^(test_)?(.*)\\.py$" "\\2" name ${file})
    add_test(NAME ${folder}.${name}
             COMMAND ${VCFS_PYTHON} ${CMAKE_SOURCE_DIR}/tests/support/run.py ${CMAKE_CURRENT_SOURCE_DIR}/${file})
    set_tests_properties(${folder}.${name} PROPERTIES LABELS "${T_LABELS}" TIMEOUT ${T_TIMEOUT} SKIP_RETURN_CODE 77
                         ENVIRONMENT "VCFS_BUILD_DIR=${CMAKE_BINARY_DIR}")
    if(NOT T_PARALLEL)
      set_tests_properties(${folder}.${name} PROPERTIES RUN_SERIAL ON)
    endif()
  endforeach()
endfunction()
