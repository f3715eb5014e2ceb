/* moment_text: a point in time as a person writes it: Unix milliseconds, or RFC 3339 ("2026-11-27T15:42:53Z", with a
 * fraction, with an offset). Pure. */
#ifndef RUNTIME_BASE_MOMENT_TEXT_H
#define RUNTIME_BASE_MOMENT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads the text, of which every byte belongs to the time; *ms is a moment (moment.h). In place of an offset's '+' a
 * space is taken, which is what a '+' in a query becomes. False: it is no time. */
bool moment_text_read(const char *text, size_t len, int64_t *ms);

#endif
