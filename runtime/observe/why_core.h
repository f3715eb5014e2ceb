/* why_core: what the files of why share: the sentence grows by pieces. Owns nothing.
 *
 *     why.c        which sentence it is
 *     why_words.c  pieces of sentences, and what an attempt failed for */
#ifndef RUNTIME_OBSERVE_WHY_CORE_H
#define RUNTIME_OBSERVE_WHY_CORE_H

#include "runtime/observe/why.h"

enum { WHY_ID_MAX = 80, WHY_ERROR_MAX = 160 }; /* bytes that are shown */

/* Append to the sentence; what finds no room is left out. */
void why_add(why *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* At most `most` bytes of the text, and a mark if it is cut. */
void why_add_text(why *out, entry_text t, size_t most);
/* " (" id ")" of the step, sleep or wait that the sentence names. */
void why_add_step(why *out);
/* " (429 from api.example.com, Retry-After 60 s)", or " (what the error says)"; nothing if the step has not failed. */
void why_add_cause(why *out, const why_case *c, const fold_step *s);

#endif
