/* Handlers in C++ whose objects count how often they were made and destroyed. */
#include <stepwell.hpp>

#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

using stepwell::context;

struct notes {
    int made, gone, late, tries, runs, go_on; /* atomic; late: looked at a frame that was gone */
};
static notes *seen;

static void count_up(int &n) { __atomic_add_fetch(&n, 1, __ATOMIC_SEQ_CST); }
static int count_of(const int &n) { return __atomic_load_n(&n, __ATOMIC_SEQ_CST); }

class object
{
  public:
    object() { count_up(seen->made); }
    ~object()
    {
        count_up(seen->gone);
        if (looks_at_ && *looks_at_ != 7) count_up(seen->late);
    }
    object(const object &) = delete;
    object &operator=(const object &) = delete;
    explicit object(const int &at) : looks_at_(&at) { count_up(seen->made); }

  private:
    const int *looks_at_ = nullptr;
};

/* What others look at, until it goes. */
struct frame {
    int alive = 7;
    ~frame() { alive = 0; }
};

/* ---- Exceptions of steps ---- */

static sw_value attempts(context c, const char *what)
{
    object o;
    count_up(seen->tries);
    if (std::strcmp(what, "retried") == 0 && c.attempt() < 3) throw std::runtime_error("not yet");
    if (std::strcmp(what, "later") == 0 && c.attempt() < 3) throw stepwell::retry_after(1, "not yet");
    if (std::strcmp(what, "fatal") == 0) throw stepwell::fatal("never");
    if (std::strcmp(what, "other") == 0) throw 42;
    if (std::strcmp(what, "misuse") == 0) c.sleep("", 1);
    if (std::strcmp(what, "status") == 0) {
        sw_request q{};
        std::string url = std::string(c.query("url"));
        q.url = url.c_str();
        return c.fetch_json(q);
    }
    return c.value(c.attempt());
}

static void on_throws(context c)
{
    object o;
    sw_step_options options{};
    options.backoff_ms = 1;
    const char *what = c.query("what");
    try {
        sw_value v = c.step("try", [&](context s) { return attempts(s, what); }, sw_nil(), options);
        c.reply_text(200, "attempt " + std::string(c.json(v)));
    } catch (const stepwell::failure &e) {
        if (c.query("uncaught")) throw;
        c.sleep("in a catch block", 1);
        c.reply_text(200, e.step + " " + e.path + " " + std::to_string(e.attempts) + " " + std::to_string(e.status) +
                              (e.retryable ? " retryable: " : ": ") + e.what());
    }
}

/* A step's lambda that throws what a nested call threw keeps its meaning. */
static void on_handler_throws(context c)
{
    object o;
    if (c.query("fatal")) throw stepwell::fatal("the handler says no");
    throw std::logic_error("the handler is wrong");
}

/* ---- Leaving memory ---- */

static void on_sleeps(context c)
{
    object o;
    count_up(seen->runs);
    c.step("first", [](context) { count_up(seen->tries); });
    try {
        object inner;
        sw_wait look = {};
        look.signal = "never sent";
        look.timeout_ms = SW_NO_WAIT;
        if (c.wait_for("look", look)) throw std::runtime_error("a signal that nobody has sent");
        c.sleep("long", std::atoi(c.query("ms")));
    } catch (...) {
        if (c.query("wraps")) throw std::runtime_error("while sleeping");
        if (!c.query("swallow")) throw;
    }
    c.step("second", [](context) { count_up(seen->tries); });
    c.reply_text(200, "awake");
}

/* The branches' objects look at the handler's frame. */
static void on_branches(context c)
{
    object o;
    frame f;
    count_up(seen->runs);
    int ms = std::atoi(c.query("ms"));
    stepwell::group g(c);
    for (int i = 0; i < 5; i++)
        g.branch("b", [&, i](context b) {
            object inner(f.alive);
            b.sleep("nap", ms + i);
            return b.step("s", [&](context) { return f.alive + i; });
        });
    if (c.query("fails")) throw std::runtime_error("the handler has had enough");
    if (c.query("waits")) c.sleep("beside", 400);
    c.reply_json(200, g.wait());
}

static void on_each(context c)
{
    frame f;
    object o;
    sw_each_options options{};
    options.parallel_max = 3;
    options.settle = c.query("settle") != nullptr;
    sw_value inputs = c.array(1, 2, 3, 4, 5, 6);
    c.reply_json(200, c.each(
                          "e",
                          [&](context s, sw_value v) {
                              object inner(f.alive);
                              s.sleep("nap", 1);
                              if (sw_as_int(v, 0) == 4) throw stepwell::fatal("four");
                              return sw_as_int(v, 0) * 2;
                          },
                          inputs, options));
}

/* Each catches its own exception, though others throw while it waits. */
static void on_interleaved(context c)
{
    stepwell::group g(c);
    for (int i = 0; i < 40; i++)
        g.branch("b", [i](context b) -> sw_value {
            object o;
            try {
                try {
                    throw std::runtime_error(std::to_string(i));
                } catch (const std::runtime_error &) {
                    b.sleep("with an exception in hand", 1 + (i * 7) % 13);
                    throw;
                }
            } catch (const std::runtime_error &e) {
                if (std::uncaught_exceptions() != 0) std::abort();
                b.sleep("again", 1 + (i * 5) % 11);
                return b.value(std::string(e.what()));
            }
        });
    c.reply_json(200, g.wait());
}

static void on_timeout(context c)
{
    sw_step_options options{};
    options.timeout_ms = 20;
    options.retries = SW_NO_RETRIES;
    c.step(
        "slow",
        [](context s) {
            object o;
            count_up(seen->tries);
            s.sleep("too long", 60000);
        },
        sw_nil(), options);
}

static void on_waits(context c)
{
    object o;
    sw_step_options options{};
    options.retries = SW_NO_RETRIES;
    const bool wraps = c.query("wraps") != nullptr;
    c.step(
        "wait",
        [&](context s) {
            object inner;
            count_up(seen->tries);
            try {
                while (!count_of(seen->go_on)) s.sleep("poll", 5);
            } catch (...) {
                if (wraps) throw stepwell::fatal("while waiting");
                throw;
            }
        },
        sw_nil(), options);
    c.reply_text(200, "done");
}

/* ---- Threads and misuse ---- */

static void on_blocking(context c)
{
    object o;
    std::string what = c.query("what");
    sw_value v = c.step("block", [&](context s) {
        object inner;
        count_up(seen->tries);
        std::string text = s.blocking([&]() -> std::string {
            object on_thread;
            if (what == "throws") throw stepwell::fatal("thrown on a thread");
            if (what == "context") s.log("from a thread");
            return what + " on a thread";
        });
        s.blocking([] { object on_thread; });
        return text;
    });
    c.reply_json(200, v);
}

/* A context of somebody else, in a lambda that has its own. */
static void on_wrong(context c)
{
    object o;
    c.step("s", [&](context) {
        object inner;
        c.log("with the handler's context");
    });
}

class talks
{
  public:
    explicit talks(context c) : c_(c) {}
    ~talks()
    {
        c_.log("going");
        if (std::uncaught_exceptions() > 0) c_.sleep("", 1); /* fails, and is not thrown */
    }

  private:
    context c_;
};

static void on_talks(context c)
{
    talks t(c);
    object o;
    throw std::runtime_error("after which the destructor talks");
}

/* Everything fails here, since the context is not the step's, and nothing is thrown. */
class talks_much
{
  public:
    explicit talks_much(context c) : c_(c) {}
    ~talks_much()
    {
        int number = 5;
        stepwell::group g(c_);
        g.step("a", [](context) { return 1; });
        g.branch("b", [](context) { return 1; });
        sw_value each = c_.each("c", [](context) { return 1; }, c_.array(1, 2));
        number = c_.blocking([] { return 7; });
        std::string text = c_.blocking([] { return std::string("seven"); });
        c_.blocking([&] { number = 7; });
        sw_request q{};
        sw_sse event{};
        stepwell::stream from = c_.open(q);
        bool is_empty = !from.head() && from.read().empty() && !from.next(event);
        from.close();
        if (!is_empty || number != 0 || !text.empty()) std::abort();
        if (sw_len(g.wait()) + sw_len(g.settle()) + sw_len(each) > 0) std::abort();
    }

  private:
    context c_;
};

static void on_talks_much(context c)
{
    c.step("s", [&](context) {
        talks_much t(c);
        throw stepwell::fatal("after which it talks much");
    });
}

static void on_values(context c)
{
    object o;
    sw_value map = c.map("text", std::string("a\0b", 3), "view", std::string_view("v"), "c", "c", "yes", true, "int",
                         -7, "half", 0.5, "nil", nullptr, "list", c.array(1u, "two", c.array()), "text", "last wins");
    if (!sw_equal(c.parse(c.json(map)), map)) std::abort();
    c.set(map, "body", c.body_json());
    c.push_chunk(map);
    if (c.now() < 1 || stepwell::text(sw_get(map, "view")) != "v" || !stepwell::text(sw_nil()).empty()) std::abort();
    c.reply_header("X-Made-In", "C++");
    c.reply_json(200, map);
}

static void on_stream(context c)
{
    std::string url = c.query("url");
    c.reply_json(200, c.step("read", [&](context s) {
        object o;
        sw_request q{};
        q.url = url.c_str();
        stepwell::stream from = s.open(q);
        std::string all;
        for (std::string_view more; !(more = from.read()).empty();) all += more;
        from.close();
        return all;
    }));
}

static void *share(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) std::abort();
    return mmap(nullptr, sizeof(notes), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

int main(int argc, char **argv)
{
    if (argc > 1 && std::strcmp(argv[1], "--serve") == 0) argc--, argv++;
    if (std::getenv("NOTES")) seen = static_cast<notes *>(share(std::getenv("NOTES")));
    stepwell::app app("objects");
    std::string captured = "what a handler captured";
    app.endpoint("GET /throws", on_throws);
    app.endpoint("GET /handler-throws", on_handler_throws);
    app.endpoint("GET /sleeps", on_sleeps);
    app.endpoint("GET /branches", on_branches);
    app.endpoint("GET /each", on_each);
    app.endpoint("GET /interleaved", on_interleaved);
    app.endpoint("GET /timeout", on_timeout);
    app.endpoint("GET /waits", on_waits);
    app.endpoint("GET /blocking", on_blocking);
    app.endpoint("GET /wrong", on_wrong);
    app.endpoint("GET /talks", on_talks);
    app.endpoint("GET /talks-much", on_talks_much);
    app.endpoint("POST /values", on_values);
    app.endpoint("GET /stream", on_stream);
    app.endpoint("GET /captured", [captured](context c) { c.reply_text(200, captured); });
    app.route("GET /plain", [](context c) {
        object o;
        if (c.query("throws")) throw std::runtime_error("a plain route fails");
        c.reply_text(c.query("refuse") ? 404 : 200, "plain");
    });
    return app.run(argc, argv);
}
