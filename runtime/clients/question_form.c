#include "runtime/clients/question_form.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "coro/seeded_bug.h"
#include "http/uri.h"
#include "runtime/base/problem.h"
#include "runtime/base/utf8.h"
#include "runtime/base/value.h"
#include "runtime/clients/question_page.h"
#include "runtime/clients/signal_request.h"
#include "runtime/run/home.h"
#include "runtime/run/program.h"

static const char not_seen[] = "This answer did not come from this page: please answer once more.",
                  too_old[] = "This page was open for too long: please send your answer once more.",
                  too_long[] = "Your answer is too long: please make it shorter.",
                  is_blank[] = "Your answer is empty: please write it, and send it then.",
                  not_text[] = "Your answer has characters that cannot be read: please type it once more.";

void question_form_free(question_form *f)
{
    msgpack_sbuffer_destroy(&f->packed);
    msgpack_sbuffer_destroy(&f->typed);
}

/* Whether a Content-Type is that of a JSON document, whatever its parameters. Scanners of links post too, without one
 * or as a form: that decides nothing. */
static bool request_is_json(const http_request *q)
{
    static const char json[] = "application/json";
    const char *type = http_request_header(q, "content-type");
    if (!type || strncasecmp(type, json, sizeof json - 1) != 0) return false;
    return strchr(" \t;", type[sizeof json - 1]) != NULL; /* or its end */
}

static bool form_pack_text(question_form *f, const char *text, size_t len)
{
    msgpack_packer pk;
    msgpack_packer_init(&pk, &f->packed, msgpack_sbuffer_write);
    f->is_string = true;
    return value_pack_str(&pk, text, len);
}

/* Browsers send the ends of lines as two characters. Returns the new length. */
static size_t text_without_returns(char *text)
{
    char *to = text;
    for (const char *at = text; *at; at++)
        if (*at != '\r') *to++ = *at;
    *to = 0;
    return (size_t)(to - text);
}

static void form_refuse(question_form *f, int status, const char *note)
{
    f->status = status;
    f->note = note;
}

/* Takes the answer of a form that the question's page has made. False: no memory. */
static bool form_take(question_form *f, const home *h, char *answer, bool is_old)
{
    size_t len = text_without_returns(answer);
    if (msgpack_sbuffer_write(&f->typed, answer, len) != 0) return false;
    if (is_old)
        form_refuse(f, 400, too_old);
    else if (len > (size_t)h->opt->signal_max)
        form_refuse(f, 413, too_long);
    else if (!utf8_is_valid(answer, len))
        form_refuse(f, 400, not_text);
    else if (answer[strspn(answer, " \t\n")] == 0) /* sent too early, and the first answer counts */
        form_refuse(f, 400, is_blank);
    else
        f->answers = form_pack_text(f, answer, len);
    return f->answers || f->note;
}

static bool form_read(question_form *f, home *h, http_exchange *x, const run_token_form *seen)
{
    const http_text body = http_exchange_request(x)->body;
    arena a;
    arena_init(&a, h->arenas);
    char *value = arena_alloc(&a, body.len + 1), *answer = arena_alloc(&a, body.len + 1);
    bool ok = value && answer;
    bool is_sent = ok && uri_query(body.data, body.len, "form", value);
    run_token_result result =
        is_sent ? run_token_check_form(&h->app->key, seen, clock_wall_ms(), (http_text){value, strlen(value)})
                : RUN_TOKEN_MALFORMED;
    bool is_made = result == RUN_TOKEN_OK || result == RUN_TOKEN_EXPIRED || BUG(FORM_FOREIGN);
    if (is_made && uri_query(body.data, body.len, "answer", answer))
        ok = form_take(f, h, answer, result == RUN_TOKEN_EXPIRED);
    else
        form_refuse(f, 400, body.len > 0 ? not_seen : NULL);
    arena_free(&a);
    if (!ok)
        question_page_reply(x, 503,
                            &(question_page){.app = h->app->name, .note = question_not_saved, .retry_after = "5"});
    return ok;
}

bool question_form_read(question_form *f, home *h, http_exchange *x, const run_token_form *seen)
{
    const http_request *q = http_exchange_request(x);
    *f = (question_form){.is_page = true, .status = 200};
    msgpack_sbuffer_init(&f->packed);
    msgpack_sbuffer_init(&f->typed);
    if (strcmp(q->method.data, "POST") != 0) return true;
    return request_is_json(q) ? question_form_read_json(f, h, x) : form_read(f, h, x, seen);
}

bool question_form_read_json(question_form *f, home *h, http_exchange *x)
{
    const http_request *q = http_exchange_request(x);
    *f = (question_form){.answers = true};
    msgpack_sbuffer_init(&f->packed);
    msgpack_sbuffer_init(&f->typed);
    if (q->body.len > 0) return signal_read_body(h, x, &f->packed, &f->is_string);
    problem_reply(x, 400, "an answer is JSON: the body is empty", NULL);
    return false;
}

/* Whether the answer is just this text; `head` is what msgpack has before a text of that length. */
static bool form_is_text(const question_form *f, sw_value text)
{
    size_t len = text.via.str.size, head = len < 32 ? 1 : len < 256 ? 2 : 3;
    return f->is_string && f->packed.size == head + len && memcmp(f->packed.data + head, text.via.str.ptr, len) == 0;
}
_Static_assert(QUESTION_CHOICE_MAX < 65536, "form_is_text knows the heads of shorter texts");

bool question_form_fits(const question_form *f, const question_asked *asked, char why[FORM_WHY_BYTES])
{
    bool fits = sw_len(asked->choices) == 0 || BUG(CHOICE_ANY);
    for (size_t i = 0; i < sw_len(asked->choices) && !fits; i++) fits = form_is_text(f, sw_at(asked->choices, i));
    if (!fits) (void)snprintf(why, FORM_WHY_BYTES, "the answer is none of the question's choices");
    return fits;
}
