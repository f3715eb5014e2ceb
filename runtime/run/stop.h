/* stop: the reasons for which a run is stopped, in words. Which event does what to a stopped run:
 * docs/internals/journal.md, *Stopped runs*. Owns nothing. */
#ifndef RUNTIME_RUN_STOP_H
#define RUNTIME_RUN_STOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/clock.h"
#include "storage/entry.h"

struct frames;

/* Reasons that are entries have the entry's number. The others are found anew whenever the run is loaded, and so end
 * when their cause does. */
typedef enum stop_reason {
    STOP_NONE = ENTRY_STOP_NONE,
    STOP_OPERATOR = ENTRY_STOP_OPERATOR,
    STOP_CRASHES = ENTRY_STOP_CRASHES,
    STOP_EXHAUSTED = ENTRY_STOP_EXHAUSTED,
    STOP_DIFFERS = ENTRY_STOP_DIFFERS,
    STOP_UNDO = ENTRY_STOP_UNDO,
    STOP_UNKNOWN,     /* of an entry whose reason this version does not know */
    STOP_NO_ENDPOINT, /* the program has none of that route */
    STOP_UNREADABLE,  /* its journal cannot be read, or is damaged */
    STOP_NEWER,       /* a newer program wrote its journal */
    STOP_NOT_RESUMED, /* --no-resume */
    STOP_REASONS
} stop_reason;

enum { STOP_DETAIL_BYTES = 1024, STOP_BY_BYTES = 33, STOP_TOLD_BYTES = STOP_DETAIL_BYTES + STOP_BY_BYTES + 64 };

/* Why a run that was loaded does not go on. */
typedef struct stop_cause {
    stop_reason reason; /* STOP_NONE: nothing is wrong with the run, there is no stack or memory for it now */
    const char *text;   /* what a person should know; static */
    unsigned
        crashes; /* with STOP_NONE: the run has crashed so often in a row, and waits for its solo; 0: memory is short */
    int64_t since_ms;    /* Unix; from when --retain-stopped counts; 0: from now on */
    clock_wait deadline; /* the run's, if it goes by while the run is stopped; zeros: it does not */
    struct frames
        *streamed; /* what it has streamed, NULL: that is not known. Of run_resume's: the caller unrefs them */
    char detail[STOP_DETAIL_BYTES]; /* what clients may know beyond that, as its entry says it; "": nothing */
    char said[STOP_DETAIL_BYTES];   /* what its entry says, for operators; "": it has none */
    char by[STOP_BY_BYTES];         /* the operator who has stopped it; "": nobody has */
} stop_cause;

stop_reason stop_of_entry(const entry *stopped);
const char *stop_name(stop_reason reason); /* "crashes": for programs */
const char *stop_text(stop_reason reason); /* a sentence, for people */
/* Whether the output URL answers 503, since waiting helps nobody. For STOP_EXHAUSTED slot_refuses says it, which knows
 * whether --stopped-answer is over. */
bool stop_refuses(stop_reason reason);
/* Copies what the entry says, cut to "...", to why->said, and to why->detail if clients may know the reason as they may
 * a failure; and who did it to why->by. */
void stop_describe(stop_cause *why, entry_text said, entry_text by);
/* Writes a sentence for an operator: that the run is stopped, by whom or why. STOP_TOLD_BYTES are enough. */
void stop_tell(const stop_cause *why, char *out, size_t size);

#endif
