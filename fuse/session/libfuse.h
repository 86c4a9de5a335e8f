#pragma once

// The one place that says which version of libfuse's interface we speak.
#define FUSE_USE_VERSION 35
#include <fuse3/fuse_lowlevel.h>
