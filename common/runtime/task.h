#pragma once

// One place that pulls in the parts of Asio that nearly every file needs (it is in the precompiled header).
#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

namespace vcfs {

// A coroutine of vcfs. Arguments go in by value; what a Task refers to must outlive it.
//
// g++ 12 double-frees when one full expression with co_await in it also holds a temporary aggregate or a capturing
// lambda with non-trivial members: `co_await f(Agg{…})`, `co_await f([t]{…})`. Name the object first and move it in.
template <class T = void>
using Task = asio::awaitable<T>;

}  // namespace vcfs
