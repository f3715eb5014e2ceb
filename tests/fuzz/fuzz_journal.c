/* Fuzzer of entry_decode: whatever bytes a journal holds, reading them stays inside them; what can be read is written
 * again as something that reads the same. */
#include <stdlib.h>
#include <string.h>

#include "storage/remarks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok) abort();
}

/* Texts lie inside the bytes they were read from. */
static void check_text(const entry_text *t, const char *data, size_t size)
{
    if (t->len > 0) must(t->data >= data && t->len <= size && t->data <= data + size - t->len);
}

static bool same(const entry_text *a, const entry_text *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

enum { TEXTS = 19 };

static void texts_of(const entry *e, const entry_text *out[TEXTS])
{
    const entry_text *all[TEXTS] = {&e->id,      &e->error,  &e->input,  &e->value, &e->function,
                                    &e->version, &e->method, &e->target, &e->owner, &e->params,
                                    &e->headers, &e->body,   &e->more,   &e->calls, &e->causes,
                                    &e->remarks, &e->by,     &e->signal, &e->letter};
    memcpy(out, all, sizeof all);
}

static void check_texts(const entry *e, const char *data, size_t size)
{
    const entry_text *texts[TEXTS];
    texts_of(e, texts);
    for (int i = 0; i < TEXTS; i++) check_text(texts[i], data, size);
}

static bool equal(const entry *a, const entry *b)
{
    const entry_text *of_a[TEXTS], *of_b[TEXTS];
    texts_of(a, of_a);
    texts_of(b, of_b);
    for (int i = 0; i < TEXTS; i++)
        if (!same(of_a[i], of_b[i])) return false;
    return a->kind == b->kind && a->path == b->path && a->occurrence == b->occurrence && a->attempt == b->attempt &&
           a->at_ms == b->at_ms && a->duration_ms == b->duration_ms && a->due_ms == b->due_ms && a->fatal == b->fatal &&
           a->answer == b->answer && a->absolute == b->absolute && a->epoch == b->epoch && a->status == b->status &&
           a->branch == b->branch && a->began == b->began && a->input_hash == b->input_hash &&
           a->input_bytes == b->input_bytes && memcmp(a->used, b->used, sizeof a->used) == 0 &&
           memcmp(a->used_sum, b->used_sum, sizeof a->used_sum) == 0;
}

static void check_again(const entry *e)
{
    msgpack_sbuffer b;
    entry again;
    const char *error = NULL;
    msgpack_sbuffer_init(&b);
    must(entry_encode(&b, e) == 0);
    must(entry_decode(b.data, b.size, &again, &error) == b.size && !error);
    must(equal(e, &again));
    msgpack_sbuffer_destroy(&b);
}

static bool is_known(entry_kind kind)
{
    return kind < ENTRY_PASSABLE || kind == ENTRY_BRANCH || kind == ENTRY_CRASHED || kind == ENTRY_DIFFERS ||
           kind == ENTRY_UNASKED || entry_is_remark(kind);
}

/* What a run says of itself lies in the journal's bytes too, also where the entry of its end says it. */
static void check_remarks(const run_remarks *r, const char *data, size_t size)
{
    must(r->label_count <= REMARKS_LABELS_MAX);
    for (uint32_t i = 0; i < r->label_count; i++) {
        check_text(&r->labels[i].key, data, size);
        check_text(&r->labels[i].value, data, size);
    }
    check_text(&r->status, data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    run_remarks remarks = {.label_count = 0};
    size_t all = size;
    const char *at = (const char *)data;
    for (size_t taken; size > 0; at += taken, size -= taken) {
        entry e;
        const char *error = NULL;
        taken = entry_decode(at, size, &e, &error);
        must(taken <= size && (taken == 0) == (error != NULL));
        if (taken == 0) return 0;
        check_texts(&e, at, taken);
        if (is_known(e.kind)) check_again(&e); /* what is passed over cannot be written */
        remarks_take(&remarks, &e);
        check_remarks(&remarks, (const char *)data, all);
    }
    return 0;
}
