/* report: the page that --prove prints of a verdict. Owns nothing. */
#include <assert.h>
#include <string.h>

#include "runtime/base/code_place.h"
#include "runtime/prove/history.h"
#include "runtime/prove/verdict.h"

enum { DIFFERENCES_SHOWN = 8, NAME_LEAST = 9, NAME_MOST = 40 };

/* ---- Places in the code ---- */

static void findings_locate(verdict *v)
{
    code_name name;
    for (finding *f = v->findings; f; f = f->next) {
        if (!f->file) continue;
        code_place_name(f->file, f->address, CODE_INNERMOST, &name);
        f->location = arena_strndup(&v->memory, name.line, strlen(name.line));
    }
}

/* ---- Lines ---- */

static size_t names_width(const verdict *v)
{
    size_t width = NAME_LEAST;
    for (const finding *f = v->findings; f; f = f->next)
        if (strlen(f->who) > width && strlen(f->who) <= NAME_MOST) width = strlen(f->who);
    return width;
}

static void report_line(const finding *f, size_t width, const char *what, FILE *to)
{
    const char *location = f->location ? f->location : "";
    (void)fprintf(to, "%-*s %s%s%s%s\n", (int)width, f->who, what, *location ? "   (" : "", location,
                  *location ? ")" : "");
}

static const finding *finding_first(const verdict *v, finding_kind kind)
{
    for (const finding *f = v->findings; f; f = f->next)
        if (f->kind == kind) return f;
    return NULL;
}

/* Prints a difference; the first one with the first direct read of a clock, which is its likely cause. */
static void report_difference(const verdict *v, const finding *f, size_t width, FILE *to)
{
    char what[1024];
    const finding *read = finding_first(v, FINDING_DIFFERS) == f ? finding_first(v, FINDING_READ) : NULL;
    finding line = *f;
    if (read) line.location = read->location;
    (void)snprintf(what, sizeof what, "differs at crash %u: %s%s%s", f->crash, f->what, read ? "; " : "",
                   read ? read->what : "");
    report_line(&line, width, what, to);
}

static void report_finding(const verdict *v, const finding *f, size_t width, FILE *to)
{
    char what[1024];
    const finding *differs = finding_first(v, FINDING_DIFFERS);
    switch (f->kind) {
    case FINDING_DIFFERS:
        report_difference(v, f, width, to);
        return;
    case FINDING_READ:
        if (differs && finding_first(v, FINDING_READ) == f) return;
        (void)snprintf(what, sizeof what, "%s%s", f->what, differs ? "" : ", and nothing came to differ");
        break;
    case FINDING_UNKNOWN:
    case FINDING_NO_END:
    case FINDING_TWICE:
        if (f->crash)
            (void)snprintf(what, sizeof what, "at crash %u: %s", f->crash, f->what);
        else
            (void)snprintf(what, sizeof what, "in the first run: %s", f->what);
        break;
    default:
        (void)snprintf(what, sizeof what, "%s", f->what);
        break;
    }
    report_line(f, width, what, to);
}

/* ---- Crash points ---- */

static const char *entry_kind_name(entry_kind kind)
{
    static const char *const names[] = {[ENTRY_STARTED] = "the start",
                                        [ENTRY_STEP_DONE] = "the result of step",
                                        [ENTRY_STEP_FAILED] = "a failure of step",
                                        [ENTRY_SLEEP] = "the start of sleep",
                                        [ENTRY_VALUE] = "a value of",
                                        [ENTRY_CHUNK] = "a chunk of",
                                        [ENTRY_RESPONSE] = "the response",
                                        [ENTRY_ENDED] = "the end",
                                        [ENTRY_ROLLBACK] = "a rollback of",
                                        [ENTRY_CANCEL] = "a cancellation"};
    if (kind == ENTRY_REOPENED) return "that the run goes on";
    if (kind == ENTRY_BRANCH) return "the start of branch";
    if (kind == ENTRY_LABEL) return "label";
    if (kind == ENTRY_STATUS) return "a status";
    if (kind == ENTRY_USAGE) return "the usage of a model,";
    if (kind == ENTRY_PATCH) return "the answer of sw_patch";
    if (kind == ENTRY_WAIT) return "the start of wait";
    if (kind == ENTRY_SIGNAL) return "the arrival of a signal";
    if (kind == ENTRY_TAKEN) return "the signal of wait";
    if (kind == ENTRY_CALLED) return "the call";
    if (kind == ENTRY_RETURNED) return "the result of call";
    if (kind == ENTRY_SENT) return "the sending of signal";
    if (kind == ENTRY_TIMED_OUT) return "the timeout of wait";
    const char *name = (size_t)kind < sizeof names / sizeof names[0] ? names[kind] : NULL;
    return name ? name : "another entry";
}

size_t verdict_prefixes(const execution *first)
{
    size_t count = 0;
    for (size_t i = 0; i < first->entry_count; i++) count += history_may_end_at(first, i);
    return count;
}

size_t verdict_prefix(const execution *first, unsigned crash)
{
    size_t i = 0;
    assert(crash > 0);
    while (crash > 0 && i < first->entry_count) crash -= history_may_end_at(first, i++);
    assert(crash == 0);
    return i;
}

/* Prints whose entry or step it is, unless it is that of the run which nobody has called. */
static void report_run(const executed_run *r, FILE *to)
{
    if (!r || r->lineage == LINEAGE_ROOT) return;
    (void)fprintf(to, " of %.*s", (int)r->entries[0].function.len, r->entries[0].function.data);
}

static void report_crash_in(const execution *first, const fact *attempt, bool stays, FILE *to)
{
    (void)fprintf(to, "in attempt %u of step \"%.*s\"", attempt->attempt, (int)attempt->id.len, attempt->id.data);
    report_run(execution_run(first, attempt->run), to);
    if (stays) (void)fprintf(to, ", and the run goes on in the same process, whose variables it has used");
}

static void report_crash_behind(const execution *first, size_t entries, FILE *to)
{
    const history_entry *h = &first->history[entries - 1];
    const executed_run *r = &first->runs[h->run];
    const entry *e = &r->entries[h->at];
    (void)fprintf(to, "behind entry %zu, %s", entries, entry_kind_name(e->kind));
    if (e->kind == ENTRY_CHUNK && e->id.len == 0) (void)fprintf(to, " the handler or a branch");
    if (e->id.len > 0) (void)fprintf(to, " \"%.*s\"", (int)e->id.len, e->id.data);
    report_run(r, to);
}

static void report_crash(const execution *first, unsigned crash, FILE *to)
{
    const size_t prefixes = verdict_prefixes(first);
    bool stays = false;
    (void)fprintf(to, "crash %u: ", crash);
    if (crash <= prefixes) {
        report_crash_behind(first, verdict_prefix(first, crash), to);
    } else {
        const fact *attempt = verdict_attempt(first, crash - prefixes - 1, &stays);
        if (attempt) report_crash_in(first, attempt, stays, to);
    }
    (void)fputc('\n', to);
}

static bool finding_names_crash(const finding *f)
{
    return f->crash > 0 && (f->kind == FINDING_DIFFERS || f->kind == FINDING_UNKNOWN || f->kind == FINDING_NO_END ||
                            f->kind == FINDING_TWICE);
}

/* Prints each crash point that the page names, once. */
static void report_crashes(const verdict *v, const execution *first, FILE *to)
{
    size_t differences = 0;
    for (const finding *f = v->findings; f; f = f->next) {
        if (f->kind == FINDING_DIFFERS && differences++ >= DIFFERENCES_SHOWN) continue;
        bool named = !finding_names_crash(f);
        for (const finding *before = v->findings; before != f && !named; before = before->next)
            named = finding_names_crash(before) && before->crash == f->crash;
        if (!named) report_crash(first, f->crash, to);
    }
}

/* ---- The page ---- */

static bool finding_is_call(const finding *f) { return f->kind == FINDING_CALL || f->kind == FINDING_CALL_OK; }

/* Returns whether an earlier finding reads like this one: calls of one function in one line of code. */
static bool finding_is_repeated(const verdict *v, const finding *f)
{
    for (const finding *had = v->findings; had != f && f->location; had = had->next)
        if (had->kind == f->kind && had->location && strcmp(had->location, f->location) == 0 &&
            strcmp(had->who, f->who) == 0 && strcmp(had->what, f->what) == 0)
            return true;
    return false;
}

static const char *plural_ending(size_t count) { return count == 1 ? "" : "s"; }

bool verdict_print(verdict *v, const execution *first, FILE *to)
{
    bool good = v->points_same == v->points && v->points_once == v->points;
    assert(v->points <= v->points_possible);
    size_t width = names_width(v), differences = 0;
    findings_locate(v);
    (void)fprintf(to, "%zu %s", first->entry_count, first->entry_count == 1 ? "entry" : "entries");
    if (first->run_count > 1) (void)fprintf(to, " of %zu runs", first->run_count);
    (void)fprintf(to, ", %zu crash point%s", v->points, plural_ending(v->points));
    if (v->points < v->points_possible) (void)fprintf(to, " of %zu (--prove-points)", v->points_possible);
    (void)fprintf(to, ": same answer %zu, no finished step ran twice %zu\n", v->points_same, v->points_once);
    for (const finding *f = v->findings; f; f = f->next)
        if (finding_is_call(f)) report_finding(v, f, width, to);
    for (const finding *f = v->findings; f; f = f->next) {
        bool is_shown = f->kind != FINDING_DIFFERS || differences++ < DIFFERENCES_SHOWN;
        if (!finding_is_call(f) && is_shown && !finding_is_repeated(v, f)) report_finding(v, f, width, to);
        good = good && (f->kind == FINDING_CALL_OK || f->kind == FINDING_READ);
    }
    if (differences > DIFFERENCES_SHOWN)
        (void)fprintf(to, "... and %zu more difference%s\n", differences - DIFFERENCES_SHOWN,
                      plural_ending(differences - DIFFERENCES_SHOWN));
    report_crashes(v, first, to);
    return good;
}
