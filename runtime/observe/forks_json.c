#include "runtime/observe/forks_json.h"

#include <assert.h>

#include "storage/kin.h"

void forks_take_row(shown_forks *f, store_bytes key)
{
    assert(f->count < FORKS_MAX);
    if (kin_key_read(key, &f->ids[f->count])) f->count++;
}

void forks_take_run(shown_forks *f, size_t i, const sw_app *app, const store_summary *s)
{
    assert(i < f->count && run_id_equal(&s->run, &f->ids[i]));
    f->is_there[i] = s->found || s->live || s->error;
    f->states[i] = runs_json_state(app, s);
}

static void put_fork(json_writer *w, const run_id *fork, shown_state state)
{
    char id[RUN_ID_TEXT + 1];
    run_id_format(fork, id);
    json_open_map(w, NULL);
    json_put_text(w, "runId", id);
    json_put_text(w, "state", shown_state_name(state));
    json_close_map(w);
}

void forks_json_put(json_writer *w, const shown_forks *f)
{
    char last[RUN_ID_TEXT + 1];
    if (f->error) json_put_text(w, "forksUnread", f->error);
    if (f->error || f->count == 0) return;
    json_open_array(w, "forks");
    for (size_t i = 0; i < f->count; i++)
        if (f->is_there[i]) put_fork(w, &f->ids[i], f->states[i]);
    json_close_array(w);
    if (!f->has_older) return;
    run_id_format(&f->ids[f->count - 1], last);
    json_put_text(w, "olderForks", last);
}
