/* http1: a connection's HTTP/1.1. */
#include <stdio.h>
#include <string.h>

#include "bench/delay/delay.h"

static int on_url(llhttp_t *p, const char *at, size_t len)
{
    delay_conn *c = p->data;
    c->asks_seen = len == 5 && memcmp(at, "/seen", 5) == 0;
    return 0;
}

static void answer_seen(delay_conn *c)
{
    char body[128], text[256];
    int len = snprintf(body, sizeof body, "connections %llu resumed %llu requests %llu\n", seen.connections,
                       seen.resumed, seen.requests);
    int n = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len, body);
    conn_send(c, text, (size_t)n);
}

static int on_message(llhttp_t *p)
{
    delay_conn *c = p->data;
    if (c->asks_seen) {
        answer_seen(c);
        return 0;
    }
    if (c->waiting > 0) return -1; /* pipelined: not for the benches */
    c->wait.conn = c;
    waits_add(&c->wait);
    return 0;
}

void http1_start(delay_conn *c)
{
    static llhttp_settings_t settings;
    if (!settings.on_url) {
        llhttp_settings_init(&settings);
        settings.on_url = on_url;
        settings.on_message_complete = on_message;
    }
    llhttp_init(&c->parser, HTTP_REQUEST, &settings);
    c->parser.data = c;
}

bool http1_take(delay_conn *c, const char *bytes, size_t len)
{
    return llhttp_execute(&c->parser, bytes, len) == HPE_OK;
}

void http1_answer(delay_conn *c)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\n" DELAY_BODY;
    if (c->closed)
        conn_close(c);
    else
        conn_send(c, answer, sizeof answer - 1);
}
