/* difference: where two values differ, and by what, for people. Owns nothing: texts lie in an arena. */
#ifndef RUNTIME_PROVE_DIFFERENCE_H
#define RUNTIME_PROVE_DIFFERENCE_H

#include "runtime/base/arena.h"
#include "storage/entry.h"

typedef struct difference {
    const char *path; /* to the first difference, as jq would say it: ".items[2].price"; "": the values as a whole */
    const char *was, *is; /* JSON of what differs there, or the texts as they are; long ones are cut */
} difference;

struct redact;

/* Compare msgpack values, JSON texts, and headers as entries have them. What `hides` names is not shown: where nothing
 * else differs, the path tells where it does. NULL: it hides nothing. Without memory the texts are "". */
difference difference_of_packed(arena *a, const struct redact *hides, entry_text was, entry_text is);
difference difference_of_json(arena *a, const struct redact *hides, entry_text was, entry_text is);
difference difference_of_headers(arena *a, const struct redact *hides, entry_text was, entry_text is);

#endif
