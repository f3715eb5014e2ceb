#include "runtime/observe/metrics.h"

#include <msgpack.h>
#include <stdlib.h>

#include "runtime/base/problem.h"
#include "runtime/observe/metrics_page.h"

/* A page that is being written. Ends its exchange and frees itself with the answer. */
typedef struct scrape {
    uv_work_t work;
    const struct sw_app *app;
    http_exchange *x;
    msgpack_sbuffer page;
    bool whole;
} scrape;

static void scrape_on_gone(http_exchange *x)
{
    (void)x; /* the page is written all the same; then the exchange is ended */
}

static void scrape_on_work(uv_work_t *work)
{
    scrape *s = work->data;
    s->whole = metrics_page_write(&s->page, s->app);
}

static void scrape_on_done(uv_work_t *work, int status)
{
    scrape *s = work->data;
    http_reply_header type = {"Content-Type", "text/plain; version=0.0.4; charset=utf-8"};
    if (status == 0 && s->whole)
        http_reply(s->x, 200, &type, 1, (http_text){s->page.data, s->page.size});
    else
        problem_reply(s->x, 503, "out of memory", "5");
    msgpack_sbuffer_destroy(&s->page);
    free(s);
}

void metrics_answer(home *h, http_exchange *x)
{
    scrape *s = calloc(1, sizeof *s);
    if (s) {
        *s = (scrape){.app = h->app, .x = x};
        s->work.data = s;
        http_exchange_on_gone(x, scrape_on_gone);
        if (uv_queue_work(h->uv, &s->work, scrape_on_work, scrape_on_done) == 0) return;
    }
    free(s);
    problem_reply(x, 503, "out of memory", "5");
}
