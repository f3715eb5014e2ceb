/* newer: what 0.1.0 does not know, for previous_release.sh. A run of each kind uses one feature of this version and
 * waits then for the signal "end"; one knows nothing new. What steps do is noted in the file $NOTES. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/stepwell.h"

static sw_value note(sw_ctx *c, sw_value input)
{
    (void)c;
    int fd = open(getenv("NOTES"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || dprintf(fd, "plain\n") < 0 || close(fd) != 0) abort();
    return input;
}

static sw_value wait_for_end(sw_ctx *c)
{
    sw_value end = sw_nil();
    sw_wait_for(c, "end", &(sw_wait){.signal = "end"}, &end);
    return end;
}

static void select_one(sw_ctx *c)
{
    sw_value out = sw_nil();
    sw_group *g = sw_group_new(c);
    sw_group_wait_for(g, "never", &(sw_wait){.signal = "never"});
    sw_group_sleep(g, "soon", 1);
    sw_group_any(g, "first", &out);
}

static void on_newer(sw_ctx *c)
{
    const char *kind = sw_param(c, "kind");
    if (strcmp(kind, "ask") == 0) sw_signal_url(c, "ask", "end", NULL);
    if (strcmp(kind, "call") == 0) (void)sw_call(c, "call", "child", sw_int(7));
    if (strcmp(kind, "select") == 0) select_one(c);
    if (strcmp(kind, "send") == 0) sw_send_signal(c, "send", sw_run_id(c), "noise", sw_nil());
    sw_reply_json(c, 200, wait_for_end(c));
}

/* As old_journal.c has it. */
static void on_plain(sw_ctx *c)
{
    sw_value seven = sw_step(c, "first", note, sw_int(7));
    sw_sleep(c, "nap", 2000);
    sw_reply_json(c, 200, seven);
}

static sw_value on_function(sw_ctx *c, sw_value input)
{
    (void)wait_for_end(c);
    return input;
}

int main(int argc, char **argv)
{
    sw_app *app = sw_app_new("newer");
    sw_endpoint(app, "GET /newer/:kind", on_newer, NULL);
    sw_endpoint(app, "GET /plain", on_plain, NULL);
    sw_function(app, "child", on_function, NULL);
    sw_function(app, "tick", on_function, &(sw_function_options){.cron = "@every 1s"});
    return sw_main(app, argc, argv);
}
