/* Fuzzes idempotency_key_read: it takes just what the grammar takes (RFC 9651, as a regular expression), and the key
 * that it reads, written as a string, reads as the same key. */
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/clients/idempotency_key.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void require(int is_so)
{
    if (!is_so) abort();
}

#define STRING  "\"([] -!#-[^-~]|\\\\[\\\\\"])*\""
#define NAME    "[a-z*][a-z0-9_.*-]*"
#define NUMBER  "-?([0-9]{1,15}|[0-9]{1,12}\\.[0-9]{1,3})"
#define TOKEN   "[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*"
#define BYTES   ":[A-Za-z0-9+/=]*:"
#define DISPLAY "%\"([] -!#$&-[^-~]|\\\\|%[0-9a-f]{2})*\""
#define ITEM    STRING "|" NUMBER "|" TOKEN "|" BYTES "|\\?[01]|@-?[0-9]{1,15}|" DISPLAY

static int matches(const regex_t *is, const char *text) { return regexec(is, text, 0, NULL, 0) == 0; }

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static regex_t quoted, bare;
    static int compiled;
    idempotency_key key, again;
    char value[1024], written[2 * IDEMPOTENCY_KEY_MAX + 3], *to = written;
    if (!compiled) {
        require(regcomp(&quoted, "^" STRING "(; *" NAME "(=(" ITEM "))?)* *$", REG_EXTENDED | REG_NOSUB) == 0);
        require(regcomp(&bare, "^[] !#-+.-[^-~\\-]+$", REG_EXTENDED | REG_NOSUB) == 0);
        compiled = 1;
    }
    if (size >= sizeof value || memchr(data, 0, size)) return 0; /* no header holds a zero */
    memcpy(value, data, size);
    value[size] = 0;
    const char *wrong = idempotency_key_read(&key, value, size);
    int well_formed = matches(value[0] == '"' ? &quoted : &bare, value);
    require(wrong || well_formed);
    if (wrong) {
        require(*wrong && (!well_formed || strstr(wrong, "longer") || strstr(wrong, "empty")));
        return 0;
    }
    require(key.len > 0 && key.len <= IDEMPOTENCY_KEY_MAX && strlen(key.text) == key.len);
    *to++ = '"';
    for (size_t i = 0; i < key.len; i++) {
        if (key.text[i] == '"' || key.text[i] == '\\') *to++ = '\\';
        *to++ = key.text[i];
    }
    *to++ = '"';
    require(!idempotency_key_read(&again, written, (size_t)(to - written)));
    require(again.len == key.len && memcmp(again.text, key.text, key.len) == 0);
    return 0;
}
