#include "runtime/observe/questions_json.h"

#include <inttypes.h>
#include <stdio.h>

#include "runtime/observe/entry_json.h"
#include "runtime/run/question_look.h"

enum { SHOWN_MAX = 20 /* each is looked for in the whole journal */ };

static void put_asked(json_writer *w, const question_asked *asked)
{
    json_put_value(w, "signal", asked->signal);
    if (sw_len(asked->text) > 0) json_put_value(w, "text", asked->text);
    if (sw_len(asked->choices) > 0) json_put_value(w, "choices", asked->choices);
}

void questions_json_value(json_writer *w, entry_text value)
{
    question_asked asked;
    if (!question_read(&w->arena, value, &asked)) {
        w->is_short = w->is_short || w->arena.is_out;
        entry_json_packed(w, "value", value);
        return;
    }
    json_open_map(w, "value");
    put_asked(w, &asked);
    json_close_map(w);
}

static const char *state_text(question_state state)
{
    switch (state) {
    case QUESTION_OPEN:
        return "open";
    case QUESTION_ANSWERED:
        return "answered";
    case QUESTION_OVER:
        return "over";
    case QUESTION_ENDED:
        return "ended";
    }
    return "open";
}

static void put_question(json_writer *w, const run_id *run, entry_text journal, const entry *e)
{
    char path[17];
    question_found found;
    const char *error = question_look(&w->arena, journal, run, e->path, &found);
    if (w->arena.is_out) w->is_short = true;
    if (error) return;
    (void)snprintf(path, sizeof path, "%016" PRIx64, e->path);
    json_put_newline(w);
    json_open_map(w, NULL);
    json_put_text(w, "path", path);
    json_put_bytes(w, "id", e->id.data, e->id.len);
    json_put_int(w, "occurrence", e->occurrence);
    json_put_int(w, "askedAt", e->at_ms);
    put_asked(w, &found.asked);
    json_put_text(w, "state", state_text(found.state));
    if (found.state == QUESTION_ANSWERED) entry_json_packed(w, "decision", found.answer);
    if (found.state != QUESTION_OPEN) json_put_int(w, "endedAt", found.at_ms);
    json_close_map(w);
}

void questions_json_put(json_writer *w, const run_id *run, entry_text journal)
{
    entry asked[SHOWN_MAX];
    size_t count = 0;
    const char *error = NULL;
    for (size_t at = 0, n; at < journal.len; at += n) {
        entry e;
        question_asked q;
        n = entry_decode(journal.data + at, journal.len - at, &e, &error);
        if (n == 0) break;
        if (e.kind == ENTRY_VALUE && question_read(&w->arena, e.value, &q)) asked[count++ % SHOWN_MAX] = e;
    }
    if (count == 0) return;
    size_t shown = count < SHOWN_MAX ? count : SHOWN_MAX;
    json_open_array(w, "questions");
    for (size_t i = count - shown; i < count; i++) put_question(w, run, journal, &asked[i % SHOWN_MAX]);
    json_close_array(w);
    if (count > shown) json_put_int(w, "questionsLeftOut", (int64_t)(count - shown));
}
