#include "runtime/clients/question_form.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "http/uri.h"
#include "runtime/base/problem.h"
#include "runtime/base/utf8.h"
#include "runtime/base/value.h"
#include "runtime/clients/question_page.h"
#include "runtime/clients/signal_request.h"
#include "runtime/run/home.h"
#include "runtime/run/program.h"

static const char not_seen[] =
    "This answer did not come from this page, or the page was open for too long: please answer "
    "once more.";

void question_form_free(question_form *f) { msgpack_sbuffer_destroy(&f->packed); }

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

/* Takes the answer of a form whose value is the page's. False: the exchange has its answer. */
static bool form_take(question_form *f, home *h, http_exchange *x, char *answer)
{
    size_t len = text_without_returns(answer);
    if (len > (size_t)h->opt->signal_max) {
        question_page_refuse(x, 413, h->app->name, "The answer is too long (--signal-max).");
    } else if (!utf8_is_valid(answer, len)) {
        question_page_refuse(x, 400, h->app->name, "The answer is not UTF-8.");
    } else if (!form_pack_text(f, answer, len)) {
        question_page_refuse(x, 503, h->app->name, "Out of memory: please try again.");
    } else {
        f->answers = true;
        return true;
    }
    return false;
}

static bool form_read(question_form *f, home *h, http_exchange *x, const run_token_form *seen)
{
    const http_text body = http_exchange_request(x)->body;
    arena a;
    arena_init(&a, h->arenas);
    char *value = arena_alloc(&a, body.len + 1), *answer = arena_alloc(&a, body.len + 1);
    bool ok = value && answer;
    if (!ok) problem_reply(x, 503, "out of memory", "5");
    bool is_sent = ok && uri_query(body.data, body.len, "form", value);
    run_token_result result =
        is_sent ? run_token_check_form(&h->app->key, seen, clock_wall_ms(), (http_text){value, strlen(value)})
                : RUN_TOKEN_MALFORMED;
    bool is_answer = ok && result == RUN_TOKEN_OK && uri_query(body.data, body.len, "answer", answer);
    if (is_answer)
        ok = form_take(f, h, x, answer);
    else
        f->note = body.len > 0 ? not_seen : NULL;
    arena_free(&a);
    return ok;
}

bool question_form_read(question_form *f, home *h, http_exchange *x, const run_token_form *seen)
{
    const http_request *q = http_exchange_request(x);
    *f = (question_form){.is_page = true};
    msgpack_sbuffer_init(&f->packed);
    if (strcmp(q->method.data, "POST") != 0) return true;
    return request_is_json(q) ? question_form_read_json(f, h, x) : form_read(f, h, x, seen);
}

bool question_form_read_json(question_form *f, home *h, http_exchange *x)
{
    const http_request *q = http_exchange_request(x);
    *f = (question_form){.answers = true};
    msgpack_sbuffer_init(&f->packed);
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
    bool fits = sw_len(asked->choices) == 0;
    for (size_t i = 0; i < sw_len(asked->choices) && !fits; i++) fits = form_is_text(f, sw_at(asked->choices, i));
    if (!fits) (void)snprintf(why, FORM_WHY_BYTES, "the answer is none of the question's choices");
    return fits;
}
