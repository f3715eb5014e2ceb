#include "runtime/clients/question_request.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coro/seeded_bug.h"
#include "http/uri.h"
#include "runtime/base/json.h"
#include "runtime/base/json_writer.h"
#include "runtime/base/problem.h"
#include "runtime/base/random.h"
#include "runtime/base/value.h"
#include "runtime/clients/question_form.h"
#include "runtime/clients/question_page.h"
#include "runtime/clients/run_access.h"
#include "runtime/clients/signal_request.h"
#include "runtime/run/home.h"
#include "runtime/run/program.h"
#include "runtime/run/question_look.h"
#include "runtime/run/question_seen.h"
#include "runtime/run/run.h"
#include "runtime/run/slot_core.h"
#include "storage/row_cursor.h"

typedef enum question_stage {
    QUESTION_WAITS, /* others look, or answer the same question: it comes behind them */
    QUESTION_LOOKS, /* reads what became of the question */
    QUESTION_SENDS  /* its answer is on the way to the disk */
} question_stage;

/* A request that waits for its answer. Frees itself with it. */
typedef struct question_request {
    TAILQ_ENTRY(question_request) in_home;
    question_stage stage;
    bool looks_again; /* an answer of another node was first */
    home *home;
    http_exchange *x;
    run_id run;
    uint64_t question;
    uint64_t read_ticket; /* of question_seen_begin */
    char signal[MAIL_NAME_MAX + 1];
    const char *by;
    question_form form;   /* what was sent */
    msgpack_sbuffer kept; /* an answer that is in the inbox, packed */
    question_found found; /* what the journal has; in `memory`, but for `answer`, which is gone with the journal */
    arena memory;
    uint8_t letter[ENTRY_LETTER_BYTES];
    row_cursor inbox; /* where it is to be read */
    uint8_t inbox_to[LETTER_KEY_BYTES];
} question_request;

enum {
    INBOX_ROWS = 1024,
    INBOX_BYTES = 1024 * 1024,
    FORM_LIFE_MS = 60 * 60 * 1000,
    LOOKS_MAX = 4 /* at once: a journal is read whole, and may be --run-state-max long */
};

static const char no_memory[] = "out of memory: nothing of it was done", AT_ONCE[] = "1", LATER[] = "5";
static const char too_many[] =
    "Your answer could not be taken, since too much waits there already: please send it again later.";
static const char not_shown[] = "This page cannot be shown just now: please load it again in a moment.";

static void request_on_gone(http_exchange *x) { (void)x; /* the answer comes soon; then the exchange is ended */ }

static void request_look(question_request *q);

/* ---- Ends ---- */

static void request_free(question_request *q)
{
    msgpack_sbuffer_destroy(&q->kept);
    question_form_free(&q->form);
    arena_free(&q->memory);
    free(q);
}

/* ---- One after the other ---- */

static bool request_is_rival(const question_request *q, const question_request *of)
{
    return q->form.answers && of->form.answers && q->question == of->question && run_id_equal(&q->run, &of->run);
}

/* Whether one that came before answers the same question. */
static bool request_is_behind(const home *h, const question_request *q)
{
    const question_request *other = TAILQ_FIRST(&h->questions);
    while (other != q && !request_is_rival(other, q)) other = TAILQ_NEXT(other, in_home);
    return other != q;
}

/* The first request that may look now; NULL: none. */
static question_request *requests_next(const home *h)
{
    question_request *q, *next = NULL;
    int looks = 0;
    TAILQ_FOREACH(q, &h->questions, in_home)
    {
        looks += q->stage == QUESTION_LOOKS;
        if (!next && q->stage == QUESTION_WAITS && !request_is_behind(h, q)) next = q;
    }
    return looks < LOOKS_MAX ? next : NULL;
}

static void requests_go_on(home *h)
{
    for (question_request *q; (q = requests_next(h)) != NULL;) {
        q->stage = QUESTION_LOOKS;
        request_look(q);
    }
}

/* The exchange has its answer: others may come. */
static void request_end(question_request *q)
{
    home *h = q->home;
    TAILQ_REMOVE(&h->questions, q, in_home);
    request_free(q);
    requests_go_on(h);
}

/* Why a request gets no answer. */
typedef struct refusal {
    int status;
    const char *why;         /* for programs */
    const char *said;        /* for who reads the page; NULL: the same */
    const char *retry_after; /* NULL: asking again does not help */
} refusal;

/* A page without an answer; with a form it has what was typed, to be sent again. */
static void request_reply_again(question_request *q, const refusal *r, bool has_form)
{
    char value[RUN_TOKEN_TEXT_MAX];
    const run_token_form form = {&q->run, q->question, clock_wall_ms() + FORM_LIFE_MS};
    run_token_make_form(&q->home->app->key, &form, value);
    question_page_reply(q->x, r->status,
                        &(question_page){.app = q->home->app->name,
                                         .asked = q->found.is_there ? &q->found.asked : NULL,
                                         .form = has_form ? value : NULL,
                                         .note = r->said ? r->said : r->why,
                                         .typed = {q->form.typed.data, q->form.typed.size},
                                         .retry_after = r->retry_after});
}

static void request_refuse(question_request *q, const refusal *r)
{
    if (q->form.is_page)
        request_reply_again(q, r, r->retry_after && q->form.answers);
    else
        problem_reply(q->x, r->status, r->why, r->retry_after);
    request_end(q);
}

/* For a reason that passes. */
static void request_put_off(question_request *q, const char *why, const char *retry_after)
{
    const char *said = q->form.answers ? question_not_saved : not_shown;
    request_refuse(q, &(refusal){503, why, said, retry_after});
}

/* ---- Decided ---- */

static void request_reply_json(question_request *q, int status, sw_value decision)
{
    char id[RUN_ID_TEXT + 1];
    json_writer w;
    run_id_format(&q->run, id);
    const http_reply_header headers[] = {{"Content-Type", "application/json"}, {"X-Run-Id", id}};
    json_writer_init(&w, q->home->arenas);
    w.hides = q->by ? q->home->app->redact : NULL; /* who has the URL may see all, an operator what operators see */
    json_open_map(&w, NULL);
    json_put_text(&w, "runId", id);
    json_put_text(&w, "status", status == 202 ? "accepted" : "decided");
    json_put_value(&w, "decision", decision);
    json_close_map(&w);
    json_put_newline(&w);
    if (w.is_short)
        problem_reply(q->x, 503, no_memory, LATER);
    else
        http_reply(q->x, status, headers, 2, (http_text){w.out.data, w.out.size});
    json_writer_free(&w);
}

static void request_reply_page(question_request *q, int status, sw_value decision)
{
    sw_bytes text = {NULL, 0};
    bool is_string = sw_type(decision) == SW_STRING;
    bool ok = is_string || json_write(&q->memory, decision, &text);
    question_page page = {.app = q->home->app->name, .asked = &q->found.asked};
    page.answer = is_string ? (http_text){decision.via.str.ptr, decision.via.str.size}
                            : (http_text){ok ? text.data : "", text.len};
    page.note = status == 202 ? "Your answer has been taken:" : "This question has been answered:";
    question_page_reply(q->x, 200, &page);
}

/* `status`: 202: by this request; 200: by one before. */
static void request_tell_decision(question_request *q, int status, entry_text packed)
{
    sw_value decision = sw_nil();
    const char *error = NULL;
    if (!value_unpack(&q->memory, packed.data, packed.len, &decision, &error)) {
        request_put_off(q, error == value_no_memory ? no_memory : "the answer cannot be read", LATER);
        return;
    }
    (q->form.is_page ? request_reply_page : request_reply_json)(q, status, decision);
    request_end(q);
}

/* ---- Open ---- */

/* Another node has written an answer in the meantime: that one counts. */
static void request_look_again(question_request *q)
{
    if (q->looks_again) {
        request_put_off(q, "another answer is about to be read: ask again", AT_ONCE);
        return;
    }
    q->looks_again = true;
    q->stage = QUESTION_LOOKS;
    request_look(q);
}

static void request_on_fate(void *arg, mail_fate fate)
{
    question_request *q = arg;
    switch (fate) {
    case MAIL_TAKEN:
        request_look_again(q);
        return;
    case MAIL_KEPT:
        request_tell_decision(q, 202, (entry_text){q->form.packed.data, q->form.packed.size});
        return;
    case MAIL_LATE:
        request_refuse(q, &(refusal){409, signal_run_has_ended, NULL, NULL});
        return;
    case MAIL_UNWRITTEN:
        request_put_off(q, "the journal cannot be written: the answer was not taken", LATER);
        return;
    case MAIL_UNKNOWN:
        request_refuse(
            q,
            &(refusal){503, "the journal could not be written, and nobody knows yet whether the answer will be there",
                       "It is not known yet whether your answer was saved: please send it again in a moment. It "
                       "counts once.",
                       LATER});
        return;
    }
}

/* `why`: the form that was sent was not taken, and has decided nothing; NULL: none was. */
static void request_show_form(question_request *q, int status, const char *why)
{
    request_reply_again(q, &(refusal){status, why, NULL, NULL}, true);
    request_end(q);
}

static const char is_over[] = "the time for an answer is over";

/* False: its last wait has timed out, which is not on disk yet. */
static bool slot_awaits_answer(const slot *s, uint64_t question)
{
    const run_question *asked = s->run ? question_find(s->run, question) : NULL;
    return !asked || !asked->is_over;
}

/* Of a run of another node. What there is of the question has been read; the run may have ended since. */
static void request_on_away(void *arg, away_answer answer, mail_letter *m)
{
    question_request *q = arg;
    signal_refusal why;
    if (answer == AWAY_TAKES) {
        mail_put(m);
    } else if (answer == AWAY_HAD) {
        request_look_again(q);
    } else {
        signal_tell_away(q->home, answer, &why);
        const char *said = why.status == 429 ? too_many : why.retry_after ? question_not_saved : NULL;
        request_refuse(q, &(refusal){why.status, why.text, said, why.retry_after});
    }
}

static void request_send_here(question_request *q, const mail_wish *sent)
{
    slot *s = mailbox_slot(q->home, &q->run);
    if (!s) {
        request_put_off(q, "the run is about to be read: ask again", AT_ONCE);
        return;
    }
    if (!slot_awaits_answer(s, q->question)) {
        request_refuse(q, &(refusal){409, is_over, NULL, NULL});
        return;
    }
    mailbox_answer answer = mailbox_send(q->home, s, sent);
    if (answer == MAILBOX_SENT) return;
    if (answer == MAILBOX_TOO_MANY || answer == MAILBOX_TOO_LARGE) {
        char full[SIGNAL_WHY_BYTES];
        signal_tell_limit(q->home, answer, full);
        request_refuse(q, &(refusal){429, full, too_many, LATER});
        return;
    }
    request_put_off(q, answer == MAILBOX_NO_MEMORY ? no_memory : "the run is about to go on: ask again", AT_ONCE);
}

static void request_send(question_request *q)
{
    signal_refusal why;
    size_t bytes = q->form.is_page ? 0 : http_exchange_request(q->x)->body.len; /* a form's text has been measured */
    if (signal_is_refused(q->home, bytes, &why)) {
        const char *said = why.retry_after ? question_not_saved : NULL;
        request_refuse(q, &(refusal){why.status, why.text, said, why.retry_after});
        return;
    }
    const mail_wish sent = {.id = q->letter,
                            .name = entry_text_of(q->signal),
                            .value = {q->form.packed.data, q->form.packed.size},
                            .question = q->question,
                            .by = q->by,
                            .on_fate = request_on_fate,
                            .arg = q};
    if (home_owns(q->home, &q->run))
        request_send_here(q, &sent);
    else if (!away_ask(q->home, &q->run, &sent, request_on_away, q))
        request_put_off(q, no_memory, LATER);
}

/* The question waits for an answer. */
static void request_answer(question_request *q)
{
    char why[FORM_WHY_BYTES];
    if (!q->form.answers)
        request_show_form(q, q->form.status, q->form.note);
    else if (question_form_fits(&q->form, &q->found.asked, why))
        request_send(q);
    else if (q->form.is_page)
        request_show_form(q, 400, why);
    else
        request_refuse(q, &(refusal){400, why, NULL, NULL});
}

/* ---- Looking ---- */

static void request_refuse_gone(question_request *q, const char *why)
{
    request_refuse(q, &(refusal){q->form.answers ? 409 : 410, why, NULL, NULL});
}

static void request_tell(question_request *q)
{
    question_found *f = &q->found;
    bool is_named = f->is_there && sw_str_equal(f->asked.signal, q->signal);
    if (!is_named)
        request_refuse(q, &(refusal){404, "no such question", NULL, NULL});
    else if (f->state == QUESTION_ANSWERED)
        request_tell_decision(q, 200, f->answer);
    else if (f->state == QUESTION_ENDED)
        request_refuse_gone(q, "the run has ended: it takes no answer any more");
    else if (q->kept.size > 0)
        request_tell_decision(q, 200, (entry_text){q->kept.data, q->kept.size});
    else if (f->state == QUESTION_OVER)
        request_refuse_gone(q, is_over);
    else
        request_answer(q);
}

static void request_on_loaded(void *arg, store_journal *j, size_t count)
{
    question_request *q = arg;
    const char *error = j->error;
    assert(count == 1);
    (void)count;
    home *h = q->home;
    q->stage = QUESTION_SENDS;
    if (!error && j->found)
        error = question_look(&q->memory, (entry_text){j->data, j->len}, &q->run, q->question, &q->found);
    if (!error && j->found && !q->form.answers) question_seen_note(h, &q->run, q->question, q->read_ticket, &q->found);
    if (error)
        request_put_off(q, "the run cannot be read at present: ask again", LATER);
    else if (!j->found)
        request_refuse(q, &(refusal){404, "no such run", NULL, NULL});
    else
        request_tell(q);
    requests_go_on(h);
}

/* Letters become entries, never the other way: so what is not in the inbox is in the journal that is read behind it. */
static void request_load(question_request *q)
{
    if (!q->form.answers && question_seen_find(q->home, &q->run, q->question, &q->memory, &q->found)) {
        q->stage = QUESTION_SENDS;
        request_tell(q);
        return;
    }
    if (!q->form.answers) q->read_ticket = question_seen_begin(q->home, &q->run, q->question);
    if (!store_load(q->home->port, &q->run, 1, request_on_loaded, q)) request_put_off(q, no_memory, LATER);
}

/* Copies the answer, if the row has it. False: no memory. */
static bool request_take_row(question_request *q, const store_table_row *row)
{
    bool is_short = false;
    if (q->kept.size > 0 || !mail_is(row->value)) return true;
    mail_letter *m = mail_read(q->home, row, &is_short);
    bool is_answer = m && memcmp(m->id, q->letter, sizeof m->id) == 0;
    if (is_answer) is_short = msgpack_sbuffer_write(&q->kept, m->value.data, m->value.len) != 0;
    if (m) mail_free(m);
    return !is_short;
}

static void request_read_inbox(question_request *q);

static void request_on_rows(void *arg, const store_table_row *rows, size_t count, bool end, const char *error)
{
    question_request *q = arg;
    bool ok = !error;
    for (size_t i = 0; i < count && ok; i++) ok = request_take_row(q, &rows[i]);
    if (!ok) {
        request_put_off(q, "the run cannot be read at present: ask again", LATER);
    } else if (end || q->kept.size > 0) {
        request_load(q);
    } else {
        assert(count > 0);
        row_cursor_pass(&q->inbox, rows[count - 1].key);
        request_read_inbox(q);
    }
}

static void request_read_inbox(question_request *q)
{
    const store_range range = {.table = letter_table,
                               .from = row_cursor_from(&q->inbox),
                               .to = {q->inbox_to, sizeof q->inbox_to},
                               .rows_max = INBOX_ROWS,
                               .bytes_max = INBOX_BYTES};
    if (!store_scan(q->home->port, &range, request_on_rows, q)) request_put_off(q, no_memory, LATER);
}

static void request_look(question_request *q)
{
    uint8_t from[LETTER_KEY_BYTES];
    letter_write_key(&q->run, 0, from);
    letter_write_key(&q->run, UINT64_MAX, q->inbox_to);
    row_cursor_set(&q->inbox, (store_bytes){from, sizeof from});
    request_read_inbox(q);
}

/* ---- The request ---- */

bool question_request_path(http_exchange *x, uint64_t *question)
{
    char text[RUN_QUERY_BYTES] = "";
    const http_request *q = http_exchange_request(x);
    bool fits = q->query.len < sizeof text;
    *question = 0;
    if (fits && !uri_query(q->query.data, q->query.len, "question", text)) return true;
    if (fits && strspn(text, "0123456789abcdefABCDEF") == 16 && !text[16]) *question = strtoull(text, NULL, 16);
    if (*question == 0)
        problem_reply(x, 400, "?question= is the path of a question: 16 hexadecimal digits, as the run's page has them",
                      NULL);
    return *question != 0;
}

static void request_begin(question_request *q)
{
    home *h = q->home;
    TAILQ_INSERT_TAIL(&h->questions, q, in_home);
    http_exchange_on_gone(q->x, request_on_gone);
    requests_go_on(h);
}

void question_request_take(home *h, http_exchange *x, const question_wish *wish)
{
    const run_token_form seen = {wish->run, wish->question, 0};
    question_request *q = calloc(1, sizeof *q);
    if (!q) {
        problem_reply(x, 503, no_memory, LATER);
        return;
    }
    q->home = h;
    q->x = x;
    q->run = *wish->run;
    q->question = wish->question;
    q->by = wish->by;
    (void)snprintf(q->signal, sizeof q->signal, "%.*s", (int)wish->signal.len, wish->signal.data);
    question_letter(&q->run, q->question, q->letter);
    if (BUG(ANSWER_AGAIN)) random_bytes(q->letter, sizeof q->letter / 2);
    msgpack_sbuffer_init(&q->kept);
    arena_init(&q->memory, h->arenas);
    if (q->by ? question_form_read_json(&q->form, h, x) : question_form_read(&q->form, h, x, &seen))
        request_begin(q);
    else
        request_free(q);
}
