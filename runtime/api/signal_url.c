/* signal_url: sw_signal_url: a URL by which a person answers one question of the run. Owns nothing: the question is an
 * entry *value* of the run, which has the URL too, so that every execution gives the same. */
#include <stdio.h>
#include <string.h>

#include "runtime/api/step.h"
#include "runtime/base/utf8.h"
#include "runtime/base/value.h"
#include "runtime/probe/probe.h"
#include "runtime/run/ctx.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/fit.h"
#include "runtime/run/home.h"
#include "runtime/run/mailbox.h"
#include "runtime/run/path.h"
#include "runtime/run/program.h"
#include "runtime/run/public_url.h"
#include "runtime/run/question.h"
#include "runtime/run/record.h"
#include "runtime/run/replay_log.h"
#include "runtime/run/run_token.h"

enum { BASE_BYTES = 512, NAME_BYTES = 3 * MAIL_NAME_MAX + 1 };

/* ---- What is asked for ---- */

static void question_check_choices(sw_ctx *c, const char *id, const char *const *choices)
{
    for (size_t i = 0; choices && choices[i]; i++) {
        size_t len = strlen(choices[i]);
        if (i == QUESTION_CHOICES_MAX)
            ctx_fail_misuse(c, "sw_signal_url \"%s\" with more than %d choices", id, QUESTION_CHOICES_MAX);
        if (len == 0 || len > QUESTION_CHOICE_MAX || !utf8_is_clean(choices[i], len))
            ctx_fail_misuse(c, "sw_signal_url \"%s\": a choice is 1 to %d bytes of UTF-8 without control characters",
                            id, QUESTION_CHOICE_MAX);
        for (size_t j = 0; j < i; j++)
            if (strcmp(choices[i], choices[j]) == 0)
                ctx_fail_misuse(c, "sw_signal_url \"%s\" with the choice \"%s\" twice", id, choices[i]);
    }
}

static void question_check(sw_ctx *c, const char *id, const char *signal, const sw_question *asked)
{
    ctx_check_wait(c, "sw_signal_url");
    (void)step_check_id(c, "a question", id);
    if (!c->run)
        ctx_fail_misuse(c, "sw_signal_url \"%s\" in a plain route: signals are sent to runs (sw_endpoint)", id);
    if (c->kind == CTX_STEP)
        ctx_fail_misuse(c, "sw_signal_url \"%s\" inside step \"%s\": ask before the step, and give it the URL as input",
                        id, c->id);
    if (c->task->endpoint->options.durability == SW_RELAXED)
        ctx_fail_misuse(c,
                        "sw_signal_url \"%s\" in an endpoint with SW_RELAXED, which cannot wait for the answer: use "
                        "SW_SYNCED",
                        id);
    if (!signal || !mail_name_fits(signal, strlen(signal)))
        ctx_fail_misuse(c, "sw_signal_url \"%s\": a signal's name is 1 to %d bytes of UTF-8 without control characters",
                        id, MAIL_NAME_MAX);
    if (strcmp(signal, ".") == 0 || strcmp(signal, "..") == 0)
        ctx_fail_misuse(c, "sw_signal_url \"%s\": browsers take the name \"%s\" out of a URL, also as %%2E", id,
                        signal);
    size_t text_len = asked && asked->text ? strlen(asked->text) : 0;
    if (text_len > QUESTION_TEXT_MAX || (text_len > 0 && !utf8_is_valid(asked->text, text_len)))
        ctx_fail_misuse(c, "sw_signal_url \"%s\": the text of a question is at most %d bytes of UTF-8", id,
                        QUESTION_TEXT_MAX);
    question_check_choices(c, id, asked ? asked->choices : NULL);
}

/* People would answer the question before, be told that their answer was taken, and be heard by nobody. */
static void question_check_former(sw_ctx *c, const char *id, const char *signal)
{
    if (question_unheard(c->run, c->path, entry_text_of(signal)))
        ctx_fail_misuse(
            c,
            "sw_signal_url \"%s\" asks anew under the signal \"%s\", and nobody waits for the answer to the "
            "question before it: wait for that first, or give each question a signal of its own",
            id, signal);
}

/* ---- The URL ---- */

/* Writes the name as a segment of a path. */
static void name_encode(const char *name, char out[NAME_BYTES])
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (; *name; name++)
        if (strchr(plain, *name))
            *out++ = *name;
        else
            out += snprintf(out, 4, "%%%02X", (unsigned char)*name);
    *out = 0;
}

/* The Host of a request decides nothing here, since a forged one would get the mail's link. */
static const char *question_url(sw_ctx *c, const char *id, uint64_t path, const char *signal)
{
    const home *h = c->task->home;
    char base[BASE_BYTES] = "", name[NAME_BYTES], token[RUN_TOKEN_TEXT_MAX];
    const char *address = h->app->address;
    if (!public_url(h->app->public_urls, *address ? address : NULL, base, sizeof base) || !*base)
        ctx_fail_misuse(c,
                        "sw_signal_url \"%s\": nobody has said by which URL people reach this server: start it with "
                        "--public-url",
                        id);
    name_encode(signal, name);
    run_token_make_question(&h->app->key, &c->run->id, path, token);
    const char *url =
        arena_printf(&c->task->arena, "%s/_sw/runs/%s/signals/%s?token=%s", base, c->run->id_text, name, token);
    if (!url) ctx_fail_memory(c);
    return url;
}

/* ---- The entry ---- */

static const char *question_recall(sw_ctx *c, const replay_record *rec)
{
    question_asked asked;
    if (!question_read(&c->task->arena, rec->value, &asked)) {
        if (c->task->arena.is_out || c->task->arena.over) ctx_fail_memory(c);
        ctx_fail_misuse(c, "the journal's question cannot be read");
    }
    return sw_cstr(c, asked.url);
}

static void question_append(sw_ctx *c, const entry *named, const char *url, const sw_question *asked)
{
    msgpack_sbuffer *scratch = &c->task->home->scratch;
    entry e = *named;
    scratch->size = 0;
    if (!question_pack(scratch, url, named->signal.data, asked)) ctx_fail_memory(c);
    e.signal = (entry_text){NULL, 0};
    e.value = (entry_text){scratch->data, scratch->size};
    if (!record_append(c->run, &e)) ctx_fail_misuse(c, "the run's state is over its limit (--run-state-max)");
}

const char *sw_signal_url(sw_ctx *c, const char *id, const char *signal, const sw_question *asked)
{
    entry e = {.kind = ENTRY_VALUE};
    question_check(c, id, signal, asked);
    run *r = c->run;
    e.id = entry_text_of(id);
    e.signal = entry_text_of(signal);
    e.at_ms = clock_wall_ms();
    e.path = path_next(c, PATH_QUESTION, id, &e.occurrence);
    if (probe_on) probe_value(c, id, e.path);
    replay_record *rec = fit_find(r, e.path);
    if (c->pending_lines) replay_log_pass(c, rec != NULL);
    if (rec && !fit_is(rec, ENTRY_VALUE, id, e.occurrence)) ctx_raise(c, fit_misfit(r, rec, "question", id));
    if (!rec) ctx_check_begin(c);
    if (!rec) question_check_former(c, id, signal);
    const char *url = rec ? question_recall(c, rec) : question_url(c, id, e.path, signal);
    if (!rec) question_append(c, &e, url, asked);
    if (!question_add(r, &(run_question){.path = e.path, .branch = c->path, .signal = e.signal})) ctx_fail_memory(c);
    run_wake_waits(r);
    return url;
}
