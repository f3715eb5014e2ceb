#include "cli/questions.h"

#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/table.h"
#include "cli/view.h"
#include "runtime/base/json.h"
#include "runtime/base/json_reader.h"

enum { TEXT_COLUMNS = 60, ANSWER_COLUMNS = 40, PATH_BYTES = 16 };

/* ---- Shown ---- */

/* "yes, no"; of a question that any JSON answers "JSON". */
static const char *choices_of(cli *c, sw_value question)
{
    sw_value choices = sw_get(question, "choices");
    const char *all = "";
    for (size_t i = 0; i < sw_len(choices); i++)
        all = cli_text(c, "%s%s%s", all, *all ? ", " : "", view_text(c, sw_at(choices, i), ANSWER_COLUMNS));
    return *all ? all : "JSON";
}

static void question_add(table *t, sw_value question)
{
    cli *c = t->c;
    sw_value text = sw_get(question, "text"), decision = sw_get(question, "decision");
    bool is_open = sw_str_equal(sw_get(question, "state"), "open");
    const char *answer = is_open ? choices_of(c, question) : view_text(c, decision, ANSWER_COLUMNS);
    table_add(t, (const char *const[]){view_text(c, sw_get(question, "path"), 0),
                                       view_text(c, sw_get(question, "signal"), ANSWER_COLUMNS),
                                       view_text(c, sw_get(question, "state"), 0), answer,
                                       view_text(c, text, TEXT_COLUMNS)});
}

static void questions_print(cli *c, sw_value questions, bool only_open)
{
    static const char *const heads[] = {"QUESTION", "SIGNAL", "STATE", "ANSWER", "TEXT", NULL};
    table t;
    table_begin(&t, c, 5, heads);
    for (size_t i = 0; i < sw_len(questions); i++) {
        sw_value question = sw_at(questions, i);
        if (!only_open || sw_str_equal(sw_get(question, "state"), "open")) question_add(&t, question);
    }
    table_print(&t);
}

void questions_show(cli *c, sw_value run)
{
    sw_value questions = sw_get(run, "questions"), left_out = sw_get(run, "questionsLeftOut");
    if (sw_len(questions) == 0) return;
    putchar('\n');
    questions_print(c, questions, false);
    if (!sw_is_nil(left_out)) printf("and %lld older ones\n", (long long)sw_as_int(left_out, 0));
}

const char *questions_sent(cli *c, sw_value step)
{
    sw_value sent = sw_get(step, "sent");
    if (sw_is_nil(sent)) return "";
    bool is_lost = !sw_as_bool(sw_get(sent, "found"), true);
    return cli_text(c, "%s to %s%s", view_text(c, sw_get(sent, "signal"), ANSWER_COLUMNS),
                    view_text(c, sw_get(sent, "to"), 0), is_lost ? ", which is not there" : "");
}

/* ---- Answered ---- */

/* The question that is to be answered: the one of --question, or the only one that is open. */
static cli_end question_find(cli *c, sw_value run, sw_value *out)
{
    const char *path = c->values[OPTION_QUESTION];
    sw_value questions = sw_get(run, "questions");
    size_t open = 0;
    for (size_t i = 0; i < sw_len(questions); i++) {
        sw_value question = sw_at(questions, i);
        bool is_named = path && sw_str_equal(sw_get(question, "path"), path);
        bool is_open = !path && sw_str_equal(sw_get(question, "state"), "open");
        open += is_open;
        if (is_named || is_open) *out = question;
        if (is_named) return CLI_DONE;
    }
    if (path) return cli_fail(CLI_REFUSED, "the run has no question %s among its newest", path);
    if (open == 0) return cli_fail(CLI_REFUSED, "the run has no question that is open");
    if (open == 1) return CLI_DONE;
    questions_print(c, questions, true);
    return cli_fail(CLI_USAGE, "several questions are open: say which one with --question");
}

/* The answer as JSON. A choice is written as it is shown, anything else is JSON. NULL: it is none of the choices, and
 * that was said. */
static const char *answer_read(cli *c, sw_value question)
{
    sw_value choices = sw_get(question, "choices");
    const char *text = c->words[1];
    sw_bytes json;
    if (sw_len(choices) == 0) return text;
    for (size_t i = 0; i < sw_len(choices); i++) {
        if (!sw_str_equal(sw_at(choices, i), text)) continue;
        cli_must(json_write(&c->arena, cli_string(text), &json) ? json.data : NULL);
        return json.data;
    }
    (void)cli_fail(CLI_USAGE, "the answer is one of: %s", choices_of(c, question));
    return NULL;
}

static cli_end answer_send(cli *c, sw_value question, const char *answer, cli_reply *reply)
{
    sw_value signal = sw_get(question, "signal"), path = sw_get(question, "path");
    if (sw_type(signal) != SW_STRING || sw_type(path) != SW_STRING)
        return cli_fail(CLI_REFUSED, "%s names a question without its signal", client_address(c));
    const char *name = client_escape(c, cli_bytes(c, signal.via.str.ptr, signal.via.str.size));
    const char *which = client_escape(c, cli_bytes(c, path.via.str.ptr, path.via.str.size));
    return client_do(c, "POST",
                     cli_text(c, "/_sw/runs/%s/signals/%s?question=%s", client_escape(c, c->words[0]), name, which),
                     answer, reply);
}

/* Says what became of the answer. A question that has another answer by now keeps that. */
static cli_end answer_tell(cli *c, const cli_reply *reply, const char *answer)
{
    sw_value decision = sw_get(reply->json, "decision"), mine;
    const char *id = c->words[0], *error = NULL;
    bool is_first = reply->status == 202;
    if (cli_has(c, OPTION_JSON)) view_print_json(c, reply->json);
    if (is_first && !cli_has(c, OPTION_JSON)) printf("%s: has the answer\n", id);
    if (is_first) return CLI_DONE;
    bool is_mine = json_read(&c->arena, answer, strlen(answer), &mine, &error) &&
                   strcmp(view_text(c, mine, 0), view_text(c, decision, 0)) == 0 && sw_type(mine) == sw_type(decision);
    if (is_mine && !cli_has(c, OPTION_JSON)) printf("%s: has this answer already\n", id);
    return is_mine ? CLI_DONE : cli_fail(CLI_REFUSED, "%s: was answered before: %s", id, view_text(c, decision, 0));
}

cli_end runs_answer(cli *c)
{
    const char *id = client_escape(c, c->words[0]), *path = c->values[OPTION_QUESTION];
    sw_value question = sw_nil();
    cli_reply reply;
    if (cli_has(c, OPTION_DATA))
        return cli_fail(CLI_USAGE, "a run is answered by the program that has it: start it, or use --url");
    if (path && (strlen(path) != PATH_BYTES || strspn(path, "0123456789abcdef") != PATH_BYTES))
        return cli_fail(CLI_USAGE,
                        "--question is the path of a question: 16 hexadecimal digits, as `runs show` has them");
    cli_end end = client_get(c, cli_text(c, "/_sw/runs/%s", id), &reply);
    if (end == CLI_DONE) end = question_find(c, reply.json, &question);
    if (end != CLI_DONE) return end;
    const char *answer = answer_read(c, question);
    if (!answer) return CLI_USAGE;
    end = answer_send(c, question, answer, &reply);
    return end == CLI_DONE ? answer_tell(c, &reply, answer) : end;
}
