#include "runtime/clients/question_page.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/problem.h"
#include "runtime/base/want.h"

/* The policy names it by its hash, so it stands in the page as it is here. */
static const char style[] =
    ":root{color-scheme:light dark;--back:#fff;--text:#1b1b1f;--line:#75757d;--strong:#0b57d0;--on-strong:#fff}"
    "@media(prefers-color-scheme:dark){:root{--back:#17171a;--text:#ececf1;--line:#8e8e99;--strong:#a8c7fa;"
    "--on-strong:#062e6f}}"
    "body{margin:0;background:var(--back);color:var(--text);font:1.0625rem/1.5 system-ui,sans-serif}"
    "main{max-width:40rem;margin:0 auto;padding:1.5rem 1rem}"
    "h1{font-size:1.125rem;margin:0 0 1rem}"
    ".text{white-space:pre-wrap;overflow-wrap:anywhere;margin:0 0 1.5rem}"
    ".note{border-left:.25rem solid var(--strong);padding:.25rem .75rem;margin:0 0 1.5rem;overflow-wrap:anywhere}"
    "form{display:flex;flex-wrap:wrap;gap:.75rem}"
    "label{flex-basis:100%}"
    "textarea{flex-basis:100%;box-sizing:border-box;min-height:8rem;padding:.5rem;font:inherit;color:inherit;"
    "background:transparent;border:1px solid var(--line);border-radius:.5rem}"
    "button{min-height:2.75rem;min-width:8rem;padding:.5rem 1rem;font:inherit;overflow-wrap:anywhere;"
    "color:var(--on-strong);background:var(--strong);border:0;border-radius:.5rem}"
    "button:focus-visible,textarea:focus-visible{outline:.1875rem solid var(--text);outline-offset:.125rem}";

const char question_not_saved[] =
    "Your answer could not be saved just now, and was not taken: please send it again in a moment.";

enum { HASH_BYTES = 32, HASH_TEXT = 44 };

/* ---- Text ---- */

/* What finds no memory is left out, and *ok says so. */
typedef struct page_text {
    msgpack_sbuffer out;
    bool ok;
} page_text;

static void put(page_text *t, const char *text, size_t len)
{
    t->ok = t->ok && msgpack_sbuffer_write(&t->out, text, len) == 0;
}

static void put_text(page_text *t, const char *text) { put(t, text, strlen(text)); }

static const char *escape_of(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

/* HTML knows no zeros, which stand for U+FFFD. */
static void put_escaped(page_text *t, const char *text, size_t len)
{
    for (size_t i = 0, from = 0; i <= len; i++) {
        const char *escape = i == len ? "" : text[i] == 0 ? "&#xfffd;" : escape_of(text[i]);
        if (!escape) continue;
        put(t, text + from, i - from);
        put_text(t, escape);
        from = i + 1;
    }
}

static void put_value(page_text *t, sw_value v) { put_escaped(t, v.via.str.ptr, v.via.str.size); }

/* ---- The page ---- */

static void put_choices(page_text *t, sw_value choices)
{
    for (size_t i = 0; i < sw_len(choices); i++) {
        put_text(t, "<button name=\"answer\" value=\"");
        put_value(t, sw_at(choices, i));
        put_text(t, "\">");
        put_value(t, sw_at(choices, i));
        put_text(t, "</button>");
    }
}

/* A line feed at the beginning of a field is not its text's. */
static void put_text_field(page_text *t, http_text typed)
{
    put_text(t, "<label for=\"answer\">Your answer</label><textarea id=\"answer\" name=\"answer\" required>\n");
    put_escaped(t, typed.data, typed.len);
    put_text(t, "</textarea><button>Send</button>");
}

/* Without an action a form is sent to the page's own URL, which has the token. */
static void put_form(page_text *t, const question_page *page)
{
    put_text(t, "<form method=\"post\"><input type=\"hidden\" name=\"form\" value=\"");
    put_text(t, page->form);
    put_text(t, "\">");
    if (page->asked && sw_len(page->asked->choices) > 0)
        put_choices(t, page->asked->choices);
    else
        put_text_field(t, page->typed);
    put_text(t, "</form>");
}

/* `before`: NULL, or what comes before the answer. */
static void put_answer(page_text *t, const char *before, http_text answer)
{
    if (!answer.data || answer.len == 0) return;
    if (before) put_text(t, before);
    put_text(t, " <strong>");
    put_escaped(t, answer.data, answer.len);
    put_text(t, "</strong>");
}

static void put_body(page_text *t, const question_page *page)
{
    put_text(t, "<h1>");
    put_escaped(t, page->app, strlen(page->app));
    put_text(t, page->asked ? " asks</h1>" : "</h1>");
    if (page->asked) {
        const sw_value text = page->asked->text;
        put_text(t, "<p class=\"text\">");
        put_value(t, sw_len(text) > 0 ? text : page->asked->signal);
        put_text(t, "</p>");
    }
    if (page->note) {
        put_text(t, "<p class=\"note\" role=\"status\">");
        put_escaped(t, page->note, strlen(page->note));
        put_answer(t, NULL, page->answer);
        if (!page->form) put_answer(t, "<br>Your answer was not taken:", page->typed);
        put_text(t, "</p>");
    }
    if (page->form) put_form(t, page);
}

static void put_page(page_text *t, const question_page *page)
{
    put_text(t, "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
                "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
                "<meta name=\"robots\" content=\"noindex\"><title>");
    put_escaped(t, page->app, strlen(page->app));
    put_text(t, " asks</title><style>");
    put_text(t, style);
    put_text(t, "</style></head><body><main>");
    put_body(t, page);
    put_text(t, "</main></body></html>\n");
}

static void write_policy(char *out, size_t size)
{
    uint8_t hash[HASH_BYTES];
    char text[HASH_TEXT + 1];
    unsigned len = 0;
    if (EVP_Digest(style, sizeof style - 1, hash, &len, EVP_sha256(), NULL) != 1) want_end("the hash of a style");
    (void)EVP_EncodeBlock((unsigned char *)text, hash, HASH_BYTES);
    (void)snprintf(out, size,
                   "default-src 'none'; style-src 'sha256-%s'; form-action 'self'; base-uri 'none'; "
                   "frame-ancestors 'none'",
                   text);
}

void question_page_reply(http_exchange *x, int status, const question_page *page)
{
    char policy[256];
    page_text t = {.ok = true};
    write_policy(policy, sizeof policy);
    const http_reply_header headers[] = {{"Content-Type", "text/html; charset=utf-8"},
                                         {"Content-Security-Policy", policy},
                                         {"Referrer-Policy", "no-referrer"},
                                         {"X-Content-Type-Options", "nosniff"},
                                         {"Retry-After", page->retry_after}};
    size_t count = sizeof headers / sizeof *headers - !page->retry_after;
    msgpack_sbuffer_init(&t.out);
    put_page(&t, page);
    if (t.ok)
        http_reply(x, status, headers, count, (http_text){t.out.data, t.out.size});
    else
        problem_reply(x, 503, "out of memory", "5");
    msgpack_sbuffer_destroy(&t.out);
}

void question_page_refuse(http_exchange *x, int status, const char *app, const char *note)
{
    question_page_reply(x, status, &(question_page){.app = app, .note = note});
}
