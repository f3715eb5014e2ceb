#include "cli/offline_runs.h"

#include <stdlib.h>
#include <string.h>

#include "cli/offline.h"
#include "cli/run_filter.h"
#include "runtime/base/json_reader.h"
#include "runtime/observe/runs_json.h"
#include "storage/glance.h"

enum { GLANCE_BYTES = 65536 };

/* Takes over the text that the writer has made. */
static sw_value read_back(cli *c, json_writer *w, cli_reply *out)
{
    const char *message;
    cli_must(w->is_short ? NULL : w);
    *out = (cli_reply){.status = 200, .body = cli_bytes(c, w->out.data, w->out.size), .len = w->out.size};
    json_writer_free(w);
    if (!json_read(&c->arena, out->body, out->len, &out->json, &message)) cli_must(NULL);
    return out->json;
}

typedef struct listing {
    cli *c;
    backend *b;
    long long wanted;
    const char *before; /* NULL: from the newest on */
    void (*on_line)(void *arg, sw_value line);
    void *arg;
} listing;

static bool list_each(void *arg, const run_id *id)
{
    listing *l = arg;
    store_summary s = {.run = *id};
    char text[RUN_ID_TEXT + 1];
    json_writer w;
    cli_reply reply;
    run_id_format(id, text);
    if (l->before && strcmp(text, l->before) >= 0) return true;
    glance_take(l->b, &s, GLANCE_BYTES);
    json_writer_init(&w, NULL);
    runs_json_line(&w, NULL, &s);
    glance_free(&s);
    sw_value line = read_back(l->c, &w, &reply);
    if (!run_filter_takes(l->c, line)) return true;
    l->on_line(l->arg, line);
    return --l->wanted > 0;
}

cli_end offline_list(cli *c, long long wanted, void (*on_line)(void *arg, sw_value line), void *arg)
{
    cli_end end;
    listing l = {.c = c, .wanted = wanted, .before = c->values[OPTION_BEFORE], .on_line = on_line, .arg = arg};
    l.b = offline_open(c->values[OPTION_DATA], &end);
    if (!l.b) return end;
    end = offline_walk(l.b, list_each, &l);
    offline_close(l.b);
    return end;
}

cli_end offline_run(cli *c, const char *id, cli_reply *out)
{
    store_journal j;
    json_writer w;
    cli_end end;
    backend *b = offline_open(c->values[OPTION_DATA], &end);
    if (!b) return end;
    end = offline_load(b, id, &j);
    if (end == CLI_DONE) {
        json_writer_init(&w, NULL);
        runs_json_run(&w, NULL, &(run_page){.journal = &j});
        json_put_newline(&w);
        (void)read_back(c, &w, out);
    }
    free(j.data);
    offline_close(b);
    return end;
}
