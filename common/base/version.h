#pragma once

#ifndef VCFS_VERSION
#define VCFS_VERSION "0.1.0"
#endif
