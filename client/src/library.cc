// libvcfs.so is made of the static libraries; CMake wants a source file of its own.
