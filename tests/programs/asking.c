/* asking: a program for the tests of the question page, on <stepwell.h> alone: each run asks the question that its
 * request says, mails the link (a line at stdout with the run's id before it), and answers with what was decided. One
 * whose question has timed out stays until it gets the signal "end". */
#include <stepwell.h>

#include <stdio.h>

static const char *const *choices_of(sw_ctx *c, sw_value given)
{
    if (sw_type(given) != SW_ARRAY) return NULL;
    const char **choices = sw_alloc(c, (sw_len(given) + 1) * sizeof *choices);
    for (size_t i = 0; i < sw_len(given); i++) choices[i] = sw_cstr(c, sw_at(given, i));
    return choices;
}

static sw_value mail(sw_ctx *c, sw_value link)
{
    printf("mailed %s %s\n", sw_run_id(c), sw_cstr(c, link));
    fflush(stdout);
    return sw_nil();
}

static void on_ask(sw_ctx *c)
{
    sw_value asked = sw_body_json(c), answer = sw_nil();
    const sw_question question = {.text = sw_cstr(c, sw_get(asked, "text")),
                                  .choices = choices_of(c, sw_get(asked, "choices"))};
    sw_step(c, "mail", mail, sw_str(c, sw_signal_url(c, "question", "answer", &question)));
    const sw_wait wait = {.signal = "answer", .timeout_ms = sw_as_int(sw_get(asked, "timeout"), 0)};
    if (!sw_wait_for(c, "answer", &wait, &answer)) (void)sw_wait_for(c, "end", &(sw_wait){.signal = "end"}, NULL);
    sw_reply_json(c, 200, answer);
}

int main(int argc, char **argv)
{
    sw_app *app = sw_app_new("asking");
    sw_endpoint(app, "POST /ask", on_ask, NULL);
    return sw_main(app, argc, argv);
}
