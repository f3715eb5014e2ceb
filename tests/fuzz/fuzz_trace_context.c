/* Fuzzes what is read of a request's trace headers: it takes just what the grammars take (W3C Trace Context and
 * Baggage, as regular expressions), and what it has read, written again, reads as the same. */
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/trace/trace_context.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void require(int is_so)
{
    if (!is_so) abort();
}

#define PARENT  "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}"
#define MEMBER  "[a-z0-9][a-z0-9_*/@-]*=[ -+.-<>-~-]*[!-+.-<>-~-]"
#define STATE   "^[ \t]*(" MEMBER ")?[ \t]*(,[ \t]*(" MEMBER ")?[ \t]*)*$"
#define TOKEN   "[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+[ \t]*"
#define VALUE   "[ \t]*[]!#-+.-:<-[^-~-]*[ \t]*"
#define BAGGAGE "^" TOKEN "=" VALUE "(;" TOKEN "(=" VALUE ")?)*(," TOKEN "=" VALUE "(;" TOKEN "(=" VALUE ")?)*)*$"

static regex_t parent, state, baggage;

static void compile(void)
{
    static int compiled;
    if (compiled) return;
    require(regcomp(&parent, PARENT, REG_EXTENDED | REG_NOSUB) == 0);
    require(regcomp(&state, STATE, REG_EXTENDED | REG_NOSUB) == 0);
    require(regcomp(&baggage, BAGGAGE, REG_EXTENDED | REG_NOSUB) == 0);
    compiled = 1;
}

static int matches(const regex_t *is, const char *text) { return regexec(is, text, 0, NULL, 0) == 0; }

static void try_parent(const char *text, size_t size)
{
    trace_parent p, again;
    char written[TRACE_PARENT_TEXT + 1];
    if (!trace_parent_read(text, size, &p)) return;
    require(matches(&parent, text) && strncmp(text, "ff", 2) != 0);
    require(size == TRACE_PARENT_TEXT || (text[TRACE_PARENT_TEXT] == '-' && strncmp(text, "00", 2) != 0));
    trace_parent_write(&p, written);
    require(strncmp(text + 2, written + 2, TRACE_PARENT_TEXT - 2) == 0);
    require(trace_parent_read(written, strlen(written), &again) && again.span == p.span && p.span != 0);
}

static void try_state(const char *text, size_t size)
{
    trace_state s = {.len = 0}, again = {.len = 0};
    int good = trace_state_add(&s, text, size);
    require(s.len == strlen(s.text) && s.len <= TRACE_STATE_MAX && s.is_bad == !good);
    require(!good || matches(&state, text));
    require(good || s.len == 0);
    if (!matches(&state, text) || !good) return;
    require(trace_state_add(&again, s.text, s.len) && strcmp(again.text, s.text) == 0);
}

static void try_baggage(const char *text, size_t size)
{
    unsigned members = 0;
    int good = trace_baggage_is_good(text, size, &members);
    require(good == matches(&baggage, text) || members > TRACE_BAGGAGE_MEMBERS_MAX);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    char text[1024];
    compile();
    if (size >= sizeof text || memchr(data, 0, size) || memchr(data, '\n', size)) return 0; /* no header holds them */
    memcpy(text, data, size);
    text[size] = 0;
    try_parent(text, size);
    try_state(text, size);
    try_baggage(text, size);
    return 0;
}
