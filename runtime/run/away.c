#include "runtime/run/away.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/run/home.h"
#include "storage/row_cursor.h"

enum { LOOK_BYTES = 4096, INBOX_ROWS = 1024, INBOX_BYTES = 1024 * 1024 };

typedef struct asking {
    home *home;
    mail_letter *letter;
    bool has_id; /* the sender's, who may have sent the signal before */
    away_fn *on_answer;
    void *arg;
    size_t count, bytes; /* of the signals in the inbox */
    row_cursor at;       /* in the inbox, up to `to` */
    uint8_t to[LETTER_KEY_BYTES];
} asking;

static void asking_end(asking *q, away_answer answer)
{
    away_fn *on_answer = q->on_answer;
    mail_letter *m = q->letter;
    void *arg = q->arg;
    free(q);
    if (answer != AWAY_TAKES) mail_discard(m);
    on_answer(arg, answer, answer == AWAY_TAKES ? m : NULL);
}

/* ---- The inbox ---- */

static away_answer asking_admit(const asking *q)
{
    const sw_options *o = q->home->opt;
    if (q->count >= (size_t)o->signals_max) return AWAY_TOO_MANY;
    bool is_large = q->count > 0 && q->bytes + q->letter->row_bytes > (size_t)o->signals_bytes_max;
    return is_large ? AWAY_TOO_LARGE : AWAY_TAKES;
}

static bool asking_read(asking *q);

static void asking_on_rows(void *arg, const store_table_row *rows, size_t count, bool end, const char *error)
{
    asking *q = arg;
    bool was_sent = false;
    for (size_t i = 0; i < count && !error; i++) {
        if (!mail_is(rows[i].value)) continue;
        was_sent = was_sent || (q->has_id && mail_has_id(rows[i].value, q->letter->id));
        q->count++;
        q->bytes += rows[i].value.len;
    }
    if (error || was_sent || end) {
        asking_end(q, error ? AWAY_UNREAD : was_sent ? AWAY_HAD : asking_admit(q));
        return;
    }
    assert(count > 0);
    row_cursor_pass(&q->at, rows[count - 1].key);
    if (!asking_read(q)) asking_end(q, AWAY_NO_MEMORY);
}

static bool asking_read(asking *q)
{
    const store_range range = {.table = letter_table,
                               .from = row_cursor_from(&q->at),
                               .to = {q->to, sizeof q->to},
                               .rows_max = INBOX_ROWS,
                               .bytes_max = INBOX_BYTES};
    return store_scan(q->home->port, &range, asking_on_rows, q);
}

/* ---- The run ---- */

static void asking_on_run(void *arg, const store_summary *runs, size_t count)
{
    asking *q = arg;
    assert(count == 1);
    (void)count;
    if (runs->error && !runs->live)
        asking_end(q, AWAY_UNREAD);
    else if (!runs->found && !runs->live)
        asking_end(q, AWAY_MISSING);
    else if (!runs->live)
        asking_end(q, AWAY_ENDED);
    else if (!asking_read(q))
        asking_end(q, AWAY_NO_MEMORY);
}

bool away_ask(home *h, const run_id *to, const mail_wish *wish, away_fn *on_answer, void *arg)
{
    uint8_t from[LETTER_KEY_BYTES];
    assert(!home_owns(h, to));
    asking *q = calloc(1, sizeof *q);
    mail_letter *m = q ? mail_new(h, to, wish) : NULL;
    if (!m) {
        free(q);
        return false;
    }
    *q = (asking){.home = h, .letter = m, .has_id = wish->id != NULL, .on_answer = on_answer, .arg = arg};
    letter_write_key(to, 0, from);
    letter_write_key(to, letter_of_call(0, 0), q->to); /* what runs have sent that it has called is behind that */
    row_cursor_set(&q->at, (store_bytes){from, sizeof from});
    if (store_summarize(h->port, to, 1, LOOK_BYTES, asking_on_run, q)) return true;
    mail_discard(m);
    free(q);
    return false;
}
