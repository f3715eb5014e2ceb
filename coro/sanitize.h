/* What sanitizers and Valgrind must be told about stacks and switches; nothing in a plain build. */
#ifndef CORO_SANITIZE_H
#define CORO_SANITIZE_H

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CORO_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define CORO_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define CORO_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define CORO_TSAN 1
#endif

#if defined(CORO_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(CORO_TSAN)
#include <sanitizer/tsan_interface.h>
#endif
#if defined(CORO_VALGRIND) /* -Dvalgrind=true */
#include <valgrind/valgrind.h>
#endif

#endif
