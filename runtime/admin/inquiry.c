#include "runtime/admin/inquiry.h"

#include <assert.h>
#include <stdlib.h>

#include "coro/seeded_bug.h"
#include "runtime/base/problem.h"

static void inquiry_on_gone(http_exchange *x) { (void)x; /* the store answers soon; then the exchange is ended */ }

void *inquiry_new(home *h, http_exchange *x, size_t size)
{
    assert(size >= sizeof(inquiry));
    inquiry *q = calloc(1, size);
    if (!q) {
        problem_reply(x, 503, "out of memory", "5");
        return NULL;
    }
    *q = (inquiry){h, x};
    http_exchange_on_gone(x, inquiry_on_gone);
    return q;
}

void inquiry_refuse(inquiry *q, int status, const char *detail, const char *retry_after)
{
    problem_reply(q->x, status, detail, retry_after);
    free(q);
}

void inquiry_refuse_store(inquiry *q, const char *error) { inquiry_refuse(q, 503, error, "5"); }

void inquiry_refuse_memory(inquiry *q) { inquiry_refuse_store(q, store_no_memory); }

void inquiry_answer(inquiry *q, json_writer *w)
{
    http_reply_header type = {"Content-Type", "application/json"};
    assert(w->depth == 0);
    json_put_newline(w);
    if (w->is_short && !BUG(SHORT_PAGE)) {
        inquiry_refuse_memory(q);
    } else {
        http_reply(q->x, 200, &type, 1, (http_text){w->out.data, w->out.size});
        free(q);
    }
    json_writer_free(w);
}
