/* time_words: lengths of time and points in time as people read them. Owns nothing. */
#ifndef RUNTIME_OBSERVE_TIME_WORDS_H
#define RUNTIME_OBSERVE_TIME_WORDS_H

#include <stddef.h>
#include <stdint.h>

enum { TIME_WORDS = 32 /* bytes of each, with a final zero */ };

/* Writes "80 ms", "42 s", "5 min", "8 h", "3 d": rounded, so that a person sees how long it is at a glance. */
const char *time_words(int64_t ms, char text[TIME_WORDS]);
/* Writes "2026-11-27 06:00:00 UTC". */
const char *moment_words(int64_t unix_ms, char text[TIME_WORDS]);

#endif
