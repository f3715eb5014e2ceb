/* call_log: every call the simulator received, oldest first, and how often each body came. Shared by the loop threads
 * behind one lock, for a few instructions at a time. Decides nothing about an answer. */
#ifndef UPSTREAM_CALL_LOG_H
#define UPSTREAM_CALL_LOG_H

#include <stdint.h>

#include <stepwell.h>

enum {
    CALL_LOG_MAX = 100000,         /* calls in the log; then each new one takes the place of the oldest */
    CALL_LOG_BODIES_MAX = 1 << 20, /* bodies counted; beyond it counting starts anew */
    CALL_LABEL_SIZE = 160
};

typedef enum call_api { CALL_MESSAGES, CALL_SEARCH, CALL_MODELS, CALL_COMPLETIONS, CALL_APIS } call_api;

/* Adds a call that came in, and returns its number, which the functions below take. */
uint64_t call_log_begin(call_api api, uint64_t body_hash, int64_t now_ms);

/* Sets what the call is about, for a reader of the log. Copied, cut to CALL_LABEL_SIZE. */
void call_log_label(uint64_t call, const char *label);

/* Sets the answer's status and the outcome ("ok", "cut", ...; a literal, borrowed). */
void call_log_end(uint64_t call, int status, const char *outcome, int64_t now_ms);

/* Counts the body, and returns how often it came before. */
uint64_t call_log_count(uint64_t body_hash);

void call_log_reply(sw_ctx *c); /* replies with all calls: a JSON array */
void call_log_clear(void);      /* calls and counts; numbers go on */

#endif
