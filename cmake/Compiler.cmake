add_compile_options(-Wall -Wextra -Wno-unused-parameter -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fcoroutines>)
  # Wrong positives of g++ 12 in coroutine frames.
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wno-maybe-uninitialized> $<$<COMPILE_LANGUAGE:CXX>:-Wno-array-bounds>)
  if(NOT VCFS_SANITIZE STREQUAL "")
    add_compile_options(-Wno-stringop-overflow -Wno-array-bounds)
  endif()
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 16)
  # It has coroutines, but does not say so in the way that libstdc++ 12 and Asio ask.
  add_compile_definitions($<$<COMPILE_LANGUAGE:CXX>:__cpp_impl_coroutine=201902L> ASIO_HAS_CO_AWAIT ASIO_HAS_STD_COROUTINE)
endif()
if(NOT VCFS_SANITIZE STREQUAL "")
  add_compile_options(-fsanitize=${VCFS_SANITIZE} -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=${VCFS_SANITIZE})
endif()

find_program(CCACHE ccache)
if(CCACHE)
  # Precompiled headers and ccache get along when the PCH's time stamps are left out of the hash.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
  endif()
endif()
