/* http2: a connection's HTTP/2, of nghttp2. Without it (HAS_NGHTTP2) the service refuses to offer HTTP/2. */
#include "bench/delay/delay.h"

#ifdef HAS_NGHTTP2
#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>

static delay_conn *first_dirty;

/* ---- Answers ---- */

static void set_dirty(delay_conn *c)
{
    if (c->dirty) return;
    c->dirty = true;
    c->next_dirty = first_dirty;
    first_dirty = c;
}

static ssize_t http2_on_read_body(nghttp2_session *h2, int32_t stream, uint8_t *to, size_t room, uint32_t *flags,
                                  nghttp2_data_source *source, void *arg)
{
    (void)h2, (void)stream, (void)source, (void)arg;
    must(room >= sizeof DELAY_BODY - 1, "room for a body");
    memcpy(to, DELAY_BODY, sizeof DELAY_BODY - 1);
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    return sizeof DELAY_BODY - 1;
}

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name,
        .value = (uint8_t *)(uintptr_t)value,
        .namelen = strlen(name),
        .valuelen = strlen(value),
    };
}

void http2_answer(delay_wait *w)
{
    const nghttp2_nv head[] = {field(":status", "200"), field("content-type", "text/plain"),
                               field("content-length", "13")};
    static const nghttp2_data_provider body = {.read_callback = http2_on_read_body};
    delay_conn *c = w->conn;
    if (c->closed) {
        conn_close(c);
    } else {
        (void)nghttp2_submit_response(c->h2, w->stream, head, 3, &body); /* fails if the caller has reset the stream */
        set_dirty(c);
    }
    free(w);
}

static void send_pending(delay_conn *c)
{
    static uint8_t all[1 << 16];
    size_t len = 0;
    const uint8_t *bytes;
    ssize_t n;
    while ((n = nghttp2_session_mem_send(c->h2, &bytes)) > 0) {
        if (len + (size_t)n > sizeof all) {
            conn_send(c, all, len);
            len = 0;
        }
        must((size_t)n <= sizeof all, "frame");
        memcpy(all + len, bytes, (size_t)n);
        len += (size_t)n;
    }
    if (len > 0) conn_send(c, all, len);
}

void http2_send_all(void)
{
    for (delay_conn *c; (c = first_dirty);) {
        first_dirty = c->next_dirty;
        c->dirty = false;
        if (c->closed)
            conn_close(c); /* which has waited for this */
        else
            send_pending(c);
    }
}

/* ---- Requests ---- */

static int on_frame(nghttp2_session *h2, const nghttp2_frame *frame, void *arg)
{
    (void)h2;
    bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (!ends || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)) return 0;
    delay_wait *w = calloc(1, sizeof *w);
    must(w != NULL, "memory");
    w->conn = arg;
    w->stream = frame->hd.stream_id;
    waits_add(w);
    return 0;
}

/* The callers are measured, not how they bear a guard: libcurl before 8 resets each stream that is over, and nghttp2
 * would drop its connections for that. */
void http2_start(delay_conn *c)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    nghttp2_settings_entry settings = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, delay.streams_max};
    must(nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&option) == 0, "memory");
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_option_set_stream_reset_rate_limit(option, UINT64_MAX, UINT64_MAX);
    must(nghttp2_session_server_new2(&c->h2, callbacks, c, option) == 0 &&
             nghttp2_submit_settings(c->h2, NGHTTP2_FLAG_NONE, &settings, 1) == 0,
         "session");
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    send_pending(c);
}

bool http2_take(delay_conn *c, const char *bytes, size_t len)
{
    if (nghttp2_session_mem_recv(c->h2, (const uint8_t *)bytes, len) < 0) return false;
    set_dirty(c);
    http2_send_all();
    return true;
}

void http2_end(delay_conn *c)
{
    if (c->h2) nghttp2_session_del(c->h2);
    c->h2 = NULL;
}

#else

void http2_answer(delay_wait *w) { (void)w; }
void http2_send_all(void) {}
void http2_start(delay_conn *c)
{
    (void)c;
    must(false, "built without libnghttp2-dev: there is no HTTP/2");
}
bool http2_take(delay_conn *c, const char *bytes, size_t len)
{
    (void)c, (void)bytes, (void)len;
    return false;
}
void http2_end(delay_conn *c) { (void)c; }

#endif
