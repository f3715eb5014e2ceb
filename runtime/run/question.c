#include "runtime/run/question.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#include "runtime/base/digest.h"
#include "runtime/base/value.h"
#include "runtime/run/replay.h"
#include "runtime/run/run.h"

enum { SALT_BYTES = 8, ASKED_MEMBERS = 4 };
_Static_assert(SALT_BYTES + sizeof(uint64_t) == ENTRY_LETTER_BYTES, "a letter's id is a hash of the run and a path");

typedef struct run_questions {
    run_question *newest;
    uint8_t salt[SALT_BYTES]; /* with which the ids of all answers to this run begin */
} run_questions;

/* ---- Bytes ---- */

static void question_salt(const run_id *of_run, uint8_t salt[SALT_BYTES])
{
    uint8_t hash[DIGEST_BYTES];
    const http_text of[] = {{"question", 8}, {(const char *)of_run->bytes, RUN_ID_BYTES}};
    digest_texts(hash, of, 2, "the answer to a question");
    memcpy(salt, hash, SALT_BYTES);
}

static uint64_t letter_path(const uint8_t *letter)
{
    uint64_t path;
    memcpy(&path, letter + SALT_BYTES, sizeof path);
    return be64toh(path);
}

void question_letter(const run_id *of_run, uint64_t path, uint8_t id[ENTRY_LETTER_BYTES])
{
    uint64_t big = htobe64(path);
    question_salt(of_run, id);
    memcpy(id + SALT_BYTES, &big, sizeof big);
}

static bool choices_pack(msgpack_packer *pk, const char *const *choices)
{
    size_t count = 0;
    while (choices && choices[count]) count++;
    bool ok = value_pack_text(pk, "choices") && msgpack_pack_array(pk, count) == 0;
    for (size_t i = 0; i < count && ok; i++) ok = value_pack_text(pk, choices[i]);
    return ok;
}

bool question_pack(msgpack_sbuffer *to, const char *url, const char *signal, const sw_question *asked)
{
    msgpack_packer pk;
    msgpack_packer_init(&pk, to, msgpack_sbuffer_write);
    return msgpack_pack_map(&pk, ASKED_MEMBERS) == 0 && value_pack_text(&pk, "url") && value_pack_text(&pk, url) &&
           value_pack_text(&pk, "signal") && value_pack_text(&pk, signal) && value_pack_text(&pk, "text") &&
           value_pack_text(&pk, asked && asked->text ? asked->text : "") &&
           choices_pack(&pk, asked ? asked->choices : NULL);
}

static bool value_is_strings(sw_value v)
{
    if (sw_type(v) != SW_ARRAY) return false;
    for (size_t i = 0; i < sw_len(v); i++)
        if (sw_type(sw_at(v, i)) != SW_STRING) return false;
    return true;
}

bool question_read(arena *a, entry_text value, question_asked *out)
{
    sw_value v = sw_nil();
    const char *error = NULL;
    if (!value_unpack(a, value.data, value.len, &v, &error)) return false;
    *out = (question_asked){sw_get(v, "url"), sw_get(v, "signal"), sw_get(v, "text"), sw_get(v, "choices")};
    return sw_type(out->url) == SW_STRING && sw_type(out->signal) == SW_STRING && sw_type(out->text) == SW_STRING &&
           value_is_strings(out->choices);
}

/* ---- The questions of a run in memory ---- */

bool question_add(run *r, const run_question *asked)
{
    run_questions *all = r->questions ? r->questions : arena_zalloc(&r->task.arena, sizeof *all);
    run_question *q = all ? arena_alloc(&r->task.arena, sizeof *q) : NULL;
    char *signal = q ? arena_memdup(&r->task.arena, asked->signal.data, asked->signal.len) : NULL;
    if (!signal) return false;
    if (!r->questions) question_salt(&r->id, all->salt);
    *q = *asked;
    q->signal.data = signal;
    q->next = all->newest;
    all->newest = q;
    r->questions = all;
    return true;
}

run_question *question_find(const run *r, uint64_t path)
{
    run_question *q = r->questions ? r->questions->newest : NULL;
    while (q && q->path != path) q = q->next;
    return q;
}

const run_question *question_unheard(const run *r, uint64_t branch, entry_text signal)
{
    const run_question *q = r->questions ? r->questions->newest : NULL;
    while (q && !(q->branch == branch && entry_text_equal(q->signal, signal))) q = q->next;
    bool is_unheard = q && !q->has_waited && !(r->replay && replay_waits_for(r->replay, q->path));
    return is_unheard ? q : NULL;
}

uint64_t question_of_wait(const run *r, uint64_t branch, entry_text signal)
{
    const run_question *newest = NULL;
    for (const run_question *q = r->questions ? r->questions->newest : NULL; q; q = q->next) {
        if (!entry_text_equal(q->signal, signal)) continue;
        if (q->branch == branch) return q->is_answered ? 0 : q->path;
        if (!newest) newest = q;
    }
    return newest && !newest->is_answered ? newest->path : 0;
}

void question_wait_begins(run *r, uint64_t question)
{
    run_question *q = question ? question_find(r, question) : NULL;
    if (!q) return; /* the wait began in an earlier execution, by code that is another one now */
    q->waits++;
    q->has_waited = true;
    q->is_over = false;
}

void question_wait_ends(run *r, uint64_t question, bool is_taken)
{
    run_question *q = question ? question_find(r, question) : NULL;
    if (!q) return;
    if (q->waits > 0) q->waits--;
    q->is_answered = q->is_answered || is_taken;
    q->is_over = !q->is_answered && q->waits == 0;
}

void question_branch_lost(run *r, uint64_t branch)
{
    for (run_question *q = r->questions ? r->questions->newest : NULL; q; q = q->next)
        if (q->branch == branch && q->waits == 0) q->is_over = !q->is_answered;
}

uint64_t question_of_letter(const run *r, const void *letter)
{
    if (!r->questions || memcmp(letter, r->questions->salt, SALT_BYTES) != 0) return 0;
    return letter_path(letter);
}

bool question_takes(const run *r, uint64_t question, const void *letter)
{
    uint64_t of = question_of_letter(r, letter);
    return of == 0 || of == question;
}
