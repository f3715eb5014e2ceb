/* shown_text: what operators ask of texts as they are shown them. Who could ask of what --redact hides would find it
 * out by trying. Pure. */
#ifndef RUNTIME_ADMIN_SHOWN_TEXT_H
#define RUNTIME_ADMIN_SHOWN_TEXT_H

#include <stdbool.h>

#include "runtime/base/redact.h"

enum { SHOWN_PART_MAX = 511 /* bytes of what is looked for */ };

/* Whether the text, as it is shown, contains the part, of which the letters a to z may be small or large. */
bool shown_text_has(const redact *hides, http_text text, const char *part);
/* Whether a text may be shown with this part where it has something that is hidden. */
bool shown_text_may_be_mark(const char *part);
/* Whether the text, as it is shown, is that one. */
bool shown_text_is(const redact *hides, http_text text, const char *whole);

#endif
