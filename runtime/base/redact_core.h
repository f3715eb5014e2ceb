/* redact_core: the keys of a redact, for redact.c and redact_text.c alone. */
#ifndef RUNTIME_BASE_REDACT_CORE_H
#define RUNTIME_BASE_REDACT_CORE_H

#include "http/http_text.h"
#include "runtime/base/redact.h"

enum { KEYS_MAX = 256, DEPTH_MAX = 32, QUERY_NAME_MAX = 256 };

typedef enum key_kind { KEY_HEADER, KEY_QUERY, KEY_NAME, KEY_POINTER } key_kind;

typedef struct key {
    key_kind kind;
    const char *name; /* but for KEY_POINTER */
    size_t name_len;
    const char *member;           /* what a member is called that the key hides in a text; NULL: none */
    const char *steps[DEPTH_MAX]; /* KEY_POINTER: decoded */
    size_t depth;
} key;

struct redact {
    char *text; /* all names and steps lie in it */
    bool hides_tokens;
    size_t count;
    key keys[KEYS_MAX];
};

/* Whether the parameter, whose name may be percent-encoded, is hidden. One that cannot be decoded is. */
bool redact_hides_parameter(const redact *r, http_text name);
bool redact_has_query(const redact *r);
/* How many bytes the name of a parameter has at most that is hidden and can be decoded, as it stands in a query; 0: no
 * parameter is hidden. */
size_t redact_parameter_max(const redact *r);

/* A text that is searched for tokens. Begins with .at = .url_end, where the text begins, and .end. */
typedef struct token_scan {
    const char *at, *end;
    const char *url_end; /* until there a URL of a run is read */
} token_scan;

/* Finds the next token in a URL of a run, which may be percent-encoded, or quoted in JSON. False: there is none. */
bool redact_next_token(token_scan *s, http_text *token);

#endif
