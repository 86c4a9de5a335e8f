#pragma once

// Precompiled for every component: what nearly all of them include and what is slow to parse.
#include <capnp/rpc-twoparty.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/runtime/clock.h"
#include "common/runtime/task.h"
