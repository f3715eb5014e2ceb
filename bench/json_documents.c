/* The documents of bench/json, made at random, always alike. */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/json_libraries.h"

enum { PIECE_BYTES_MAX = 1024, HEAVY_BYTES = 4 << 20 };

static uint64_t random_state = 1;

static unsigned below(unsigned n) /* splitmix64 */
{
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (unsigned)((z ^ z >> 31) % n);
}

__attribute__((format(printf, 2, 3))) static void add(document *d, const char *format, ...)
{
    va_list args;
    if (d->room - d->len < PIECE_BYTES_MAX + SPARE_BYTES) {
        d->room = d->room * 2 + PIECE_BYTES_MAX + SPARE_BYTES;
        d->text = realloc(d->text, d->room);
        if (!d->text) exit(1);
    }
    va_start(args, format);
    d->len += (size_t)vsnprintf(d->text + d->len, PIECE_BYTES_MAX, format, args);
    va_end(args);
    memset(d->text + d->len, 0, SPARE_BYTES);
}

/* Adds words, with an escape in about 60 bytes and a character beyond ASCII in about 200. */
static void add_prose(document *d, size_t len)
{
    static const char *const words[] = {"the",   "tide",   "of",  "a",         "harbour", "measured", "in",
                                        "cubic", "metres", "and", "published", "later",   "by",       "them"};
    for (size_t end = d->len + len; d->len < end;) {
        add(d, "%s ", words[below(14)]);
        if (below(12) == 0) add(d, "%s", below(2) ? "\\n" : "\\\"so\\\" ");
        if (below(40) == 0) add(d, "%s", below(2) ? "\xc3\xa9t\xc3\xa9 " : "\xe2\x80\x94 ");
    }
}

static void make_search_answer(document *d)
{
    add(d, "{\"query\":\"tides\",\"results\":[");
    for (int i = 0; d->len < 4700000; i++) {
        add(d, "%s{\"url\":\"https://example.org/tides/%d\",\"title\":\"", i ? "," : "", i);
        add_prose(d, 60);
        add(d, "\",\"score\":0.%u,\"published\":null,\"content\":\"", below(100000000));
        add_prose(d, 400);
        add(d, "\",\"raw_content\":\"");
        add_prose(d, 20000 + below(20000));
        add(d, "\"}");
    }
    add(d, "],\"response_time\":1.42}");
}

static void make_small_records(document *d)
{
    add(d, "[");
    for (unsigned i = 0; d->len < 2000000; i++)
        add(d,
            "%s{\"id\":%u,\"name\":\"user%u\",\"active\":%s,\"balance\":%u.%02u,\"tags\":[\"a\",\"bc\"],"
            "\"at\":{\"x\":%u,\"y\":-%u}}",
            i ? "," : "", i, below(100000), below(2) ? "true" : "false", below(10000), below(100), below(1000),
            1 + below(1000));
    add(d, "]");
}

static void make_model_answer(document *d)
{
    add(d, "{\"id\":\"chatcmpl-8f1\",\"object\":\"chat.completion\",\"created\":1764208800,\"choices\":[{\"index\":0,"
           "\"message\":{\"role\":\"assistant\",\"content\":\"");
    add_prose(d, 10700);
    add(d, "\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":812,\"completion_tokens\":2345,"
           "\"total_tokens\":3157}}");
}

static void make_embeddings(document *d)
{
    add(d, "{\"object\":\"list\",\"data\":[");
    for (int i = 0; d->len < 1000000; i++) {
        add(d, "%s{\"object\":\"embedding\",\"index\":%d,\"embedding\":[", i ? "," : "", i);
        for (int k = 0; k < 1536; k++)
            add(d, "%s%.17g", k ? "," : "", ((double)below(1 << 30) / (1 << 30) - 0.5) / 10 + below(1000) * 1e-14);
        add(d, "]}");
    }
    add(d, "]}");
}

void make_documents(document *documents)
{
    documents[0].name = "search answer";
    make_search_answer(&documents[0]);
    documents[1].name = "small records";
    make_small_records(&documents[1]);
    documents[2].name = "model answer";
    make_model_answer(&documents[2]);
    documents[3].name = "embeddings";
    make_embeddings(&documents[3]);
}

/* ---- The heaviest ---- */

/* Adds what begins, the piece again and again with commas between, and what ends. */
static void make_repeated(document *d, const char *name, const char *brackets, const char *piece)
{
    d->name = name;
    add(d, "%c", brackets[0]);
    for (size_t last = HEAVY_BYTES - strlen(piece) - 2; d->len < last;) add(d, d->len > 1 ? ",%s" : "%s", piece);
    add(d, "%c", brackets[1]);
}

void make_heavy_documents(document *documents)
{
    char number[800] = "0.";
    make_repeated(documents++, "empty arrays", "[]", "[]");
    make_repeated(documents++, "digits", "[]", "7");
    make_repeated(documents++, "empty strings", "[]", "\"\"");
    make_repeated(documents++, "maps of one member", "[]", "{\"a\":7}");
    make_repeated(documents++, "one key again and again", "{}", "\"a\":7");
    memset(number + 2, '3', sizeof number - 3);
    number[sizeof number - 1] = 0;
    make_repeated(documents++, "numbers of 800 bytes", "[]", number);
    documents->name = "one map of many keys";
    add(documents, "{\"\":7");
    for (unsigned i = 0; documents->len < HEAVY_BYTES - 20; i++) add(documents, ",\"%x\":7", i * 2654435761u);
    add(documents, "}");
}
