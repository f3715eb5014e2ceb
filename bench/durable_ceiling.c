/* durable_ceiling: the most a durable request can do: a bare libuv + llhttp server that holds each answer until the
 * request's entry is in a synced RocksDB batch. No coroutines, steps or msgpack: what remains is what no design avoids.
 * What one turn of the loop read goes to the journal thread under one lock; that writes all that waits as one batch.
 *   durable_ceiling ENTRY_BYTES DATA_FOLDER [PORT], 0 by default. Prints the port; ends with SIGTERM. */
#include <arpa/inet.h>
#include <llhttp.h>
#include <pthread.h>
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

typedef struct client {
    uv_tcp_t tcp;
    llhttp_t parser;
    struct client *next; /* in one queue at a time: a client has one request under way */
    char bytes[16384];
} client;

typedef struct queue {
    client *head, *tail;
} queue;

static const char answer[] =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Run-Id: 01M84S352A7PR9DN7SY71K1KGK\r\n"
    "Content-Length: 8\r\n\r\n{\"ok\":1}";
static llhttp_settings_t settings;
static queue parsed;           /* the loop's: read in this turn */
static queue waiting, durable; /* under lock */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;
static uv_async_t committed;
static size_t entry_bytes;
static const char *folder;

static void must(int ok, const char *what)
{
    if (ok) return;
    fprintf(stderr, "durable_ceiling: %s\n", what);
    exit(1);
}

static void append(queue *to, queue from)
{
    if (!from.head) return;
    if (to->tail)
        to->tail->next = from.head;
    else
        to->head = from.head;
    to->tail = from.tail;
}

static queue take(queue *from)
{
    queue all = *from;
    *from = (queue){NULL, NULL};
    return all;
}

static int on_message(llhttp_t *p)
{
    client *c = p->data;
    c->next = NULL;
    append(&parsed, (queue){c, c});
    return 0;
}

static void on_turn(uv_check_t *check)
{
    (void)check;
    if (!parsed.head) return;
    pthread_mutex_lock(&lock);
    if (!waiting.head) pthread_cond_signal(&work);
    append(&waiting, take(&parsed));
    pthread_mutex_unlock(&lock);
}

static void commit(rocksdb_t *db, rocksdb_writeoptions_t *synced, queue batch, const char *value, uint64_t *number)
{
    char *error = NULL;
    rocksdb_writebatch_t *wb = rocksdb_writebatch_create();
    for (client *c = batch.head; c; c = c->next) {
        char key[24] = {0};
        uint64_t id = __builtin_bswap64(++*number);
        memcpy(key, &id, sizeof id);
        rocksdb_writebatch_put(wb, key, sizeof key, value, entry_bytes);
    }
    rocksdb_write(db, synced, wb, &error);
    must(!error, error);
    rocksdb_writebatch_destroy(wb);
}

static void *journal(void *unused)
{
    (void)unused;
    char *error = NULL, *value = calloc(1, entry_bytes + 1);
    uint64_t number = 0;
    rocksdb_options_t *o = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(o, 1);
    rocksdb_options_set_write_buffer_size(o, 256 << 20);
    rocksdb_options_set_compression(o, rocksdb_no_compression);
    rocksdb_options_set_bytes_per_sync(o, 1 << 20); /* else a new table's blocks are all in a sync's way at once */
    rocksdb_t *db = rocksdb_open(o, folder, &error);
    must(!error && value, error ? error : "out of memory");
    rocksdb_writeoptions_t *synced = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(synced, 1);
    while (db) {
        pthread_mutex_lock(&lock);
        while (!waiting.head) pthread_cond_wait(&work, &lock);
        queue batch = take(&waiting);
        pthread_mutex_unlock(&lock);
        commit(db, synced, batch, value, &number);
        pthread_mutex_lock(&lock);
        append(&durable, batch);
        pthread_mutex_unlock(&lock);
        must(uv_async_send(&committed) == 0, "uv_async_send");
    }
    return NULL;
}

static void on_committed(uv_async_t *a)
{
    (void)a;
    pthread_mutex_lock(&lock);
    queue done = take(&durable);
    pthread_mutex_unlock(&lock);
    for (client *c = done.head, *next; c; c = next) {
        next = c->next;
        uv_buf_t b = uv_buf_init((char *)(uintptr_t)answer, sizeof answer - 1);
        (void)uv_try_write((uv_stream_t *)&c->tcp, &b, 1); /* a client that has gone is not the floor's matter */
    }
}

static void on_alloc(uv_handle_t *h, size_t wanted, uv_buf_t *b)
{
    client *c = (client *)h;
    (void)wanted;
    *b = uv_buf_init(c->bytes, sizeof c->bytes);
}

/* A closed client is not freed: it may still be in a queue. */
static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    client *c = (client *)s;
    if ((n < 0 || llhttp_execute(&c->parser, b->base, (size_t)n) != HPE_OK) && !uv_is_closing((uv_handle_t *)s))
        uv_close((uv_handle_t *)s, NULL);
}

static void on_connection(uv_stream_t *s, int status)
{
    if (status < 0) return;
    client *c = calloc(1, sizeof *c);
    must(c && uv_tcp_init(s->loop, &c->tcp) == 0 && uv_accept(s, (uv_stream_t *)&c->tcp) == 0, "accept");
    (void)uv_tcp_nodelay(&c->tcp, 1);
    llhttp_init(&c->parser, HTTP_REQUEST, &settings);
    c->parser.data = c;
    must(uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) == 0, "read");
}

int main(int argc, char **argv)
{
    must(argc == 3 || argc == 4, "usage: durable_ceiling ENTRY_BYTES DATA_FOLDER [PORT]");
    entry_bytes = strtoul(argv[1], NULL, 10);
    folder = argv[2];
    uv_loop_t *loop = uv_default_loop();
    uv_check_t turn;
    uv_tcp_t server;
    pthread_t thread;
    struct sockaddr_in a;
    int name_len = sizeof a;
    llhttp_settings_init(&settings);
    settings.on_message_complete = on_message;
    must(uv_async_init(loop, &committed, on_committed) == 0 && uv_check_init(loop, &turn) == 0 &&
             uv_check_start(&turn, on_turn) == 0,
         "uv");
    must(pthread_create(&thread, NULL, journal, NULL) == 0, "thread");
    must(uv_tcp_init(loop, &server) == 0 && uv_ip4_addr("127.0.0.1", argc == 4 ? atoi(argv[3]) : 0, &a) == 0 &&
             uv_tcp_bind(&server, (struct sockaddr *)&a, 0) == 0 &&
             uv_listen((uv_stream_t *)&server, 4096, on_connection) == 0,
         "listen");
    must(uv_tcp_getsockname(&server, (struct sockaddr *)&a, &name_len) == 0, "port");
    printf("listening on http://127.0.0.1:%d\n", ntohs(a.sin_port));
    fflush(stdout);
    return uv_run(loop, UV_RUN_DEFAULT);
}
