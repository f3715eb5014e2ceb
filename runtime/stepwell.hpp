/* stepwell.hpp - stepwell.h for C++17: steps, branches and handlers are lambdas, and what fails throws.
 *
 *     stepwell::app app("orders");
 *     app.endpoint("POST /orders", [](stepwell::context c) {
 *         sw_value order = c.body_json();
 *         sw_value receipt = c.step("charge", [&](stepwell::context s) { return charge(s, order); });
 *         c.reply_json(201, receipt);
 *     });
 *     return app.run(argc, argv);
 *
 * stepwell.h says what each function does, under the method's name with sw_ before it. What differs in C++:
 *
 * Exceptions. A call that fails throws `failure`. A handler may catch the exception, where C would use sw_try; one that
 * nobody catches fails the attempt, branch or run as in C. Any exception that leaves a step's lambda fails its attempt,
 * which is made again: after `fatal` never, after `retry_after` at its time. One that leaves a handler fails the run.
 *
 * Destructors run in every case: also when the run parks for a long sleep, is cancelled, times out, or the server
 * drains. The stack is then unwound by an exception of type `unwinding`, which is no std::exception. A `catch (...)`
 * has to throw it on; in a handler that swallows it, steps and waits do nothing any more. A parked run's handler starts
 * again from its first line, so a destructor may run more than once for one run: it must not undo what a step has done.
 *
 * Destructors must not wait or begin steps, and may not throw. While an exception unwinds the stack, a call that fails
 * in a destructor returns an empty value instead of throwing.
 *
 * Lambdas of steps, branches and handlers take a context of their own, f(context) or f(context, input), and use no
 * other context. They return the result: a sw_value, void, or what `context::value` takes. They may capture by
 * reference what outlives the call, or the `group`. Captured objects are not journaled and not compared, and a resumed
 * run that has a lambda's result from the journal does not repeat the lambda's changes: return what has changed.
 *
 * Do not mix: code in a handler or step calls functions of stepwell.h that can fail through `context::call` only. */
#ifndef STEPWELL_HPP
#define STEPWELL_HPP

#include <cxxabi.h>
#include <stepwell.h>

#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace stepwell
{
class context;

/* ---- What is thrown ---- */

/* A call failed. */
class failure : public std::runtime_error
{
  public:
    failure(const sw_caught *caught, const sw_error &e)
        : std::runtime_error(e.message), step(e.step ? e.step : ""), path(e.path ? e.path : ""), attempts(e.attempts),
          status(e.status), retryable(e.retryable), caught_(caught)
    {
    }
    std::string step, path; /* of the step that failed for good, "" if none; as in sw_error */
    int attempts, status;
    bool retryable;
    const sw_caught *caught_; /* the library's */
};

/* Throw it in a step: no further attempt is made. */
class fatal : public std::runtime_error
{
  public:
    using std::runtime_error::runtime_error;
};

/* Throw it in a step: the next attempt is made in `ms`. */
class retry_after : public std::runtime_error
{
  public:
    retry_after(int64_t after_ms, const std::string &why) : std::runtime_error(why), ms(after_ms) {}
    int64_t ms;
};

/* The run leaves memory. */
class unwinding
{
  public:
    explicit unwinding(const sw_caught *caught) : caught_(caught) {}
    const sw_caught *caught_;
};

/* ---- The boundary ---- */

namespace detail
{
/* While a coroutine waits, another may throw and catch on its thread. So what the C++ runtime has of a thread's
 * exceptions (Itanium C++ ABI, 2.2.2) is saved here, emptied, and restored when the coroutine goes on. */
class own_exceptions
{
    struct globals {
        void *caught;
        unsigned int uncaught;
    };
    static globals *of_thread() { return reinterpret_cast<globals *>(abi::__cxa_get_globals()); }
    globals saved_;

  public:
    own_exceptions() : saved_(*of_thread()) { *of_thread() = globals{nullptr, 0}; }
    ~own_exceptions() { *of_thread() = saved_; }
    own_exceptions(const own_exceptions &) = delete;
    own_exceptions &operator=(const own_exceptions &) = delete;
};

/* f() calls functions of stepwell.h and holds nothing with a destructor. */
template <class F> const sw_caught *guard(F &f)
{
    own_exceptions own;
    return sw_guard([](void *arg) { (*static_cast<F *>(arg))(); }, &f);
}

inline void raise(const sw_caught *caught)
{
    if (!caught || std::uncaught_exceptions() > 0) return;
    sw_error e;
    if (!sw_caught_error(caught, &e)) throw unwinding(caught);
    throw failure(caught, e);
}

template <class F> auto guarded(F f) -> decltype(f())
{
    using result = decltype(f());
    if constexpr (std::is_void_v<result>) {
        raise(guard(f));
    } else {
        static_assert(std::is_trivially_copyable_v<result>, "what a guarded call returns must need no destructor");
        result out{};
        auto assign = [&] { out = f(); };
        raise(guard(assign));
        return out;
    }
}

template <auto fn, class... Args> auto call(Args... args)
{
    return guarded([&] { return fn(args...); });
}

/* How a function of the user ended. Has no destructor, since fail() jumps out of the frame that holds it. */
struct ending {
    const sw_caught *caught = nullptr;
    const char *text = "an exception that is no std::exception";
    int64_t after_ms = -1;
    bool is_fatal = false;

    [[noreturn]] void fail(sw_ctx *c) const
    {
        if (caught) sw_rethrow(caught);
        if (is_fatal) sw_fail_fatal(c, "%s", text);
        if (after_ms >= 0) sw_fail_after(c, after_ms, "%s", text);
        sw_fail(c, "%s", text);
    }
};

/* Copies the text of an exception, which is destroyed before the text is read. */
inline const char *copy_text(sw_ctx *c, const char *text)
{
    const char *copy = "out of memory";
    auto print = [&] { copy = sw_printf(c, "%s", text); };
    (void)guard(print);
    return copy;
}

template <class F> sw_value boundary(sw_ctx *c, F &f)
{
    ending end;
    try {
        return f();
    } catch (const unwinding &e) {
        end.caught = e.caught_;
    } catch (const failure &e) {
        end.caught = e.caught_;
    } catch (const retry_after &e) {
        end.text = copy_text(c, e.what());
        end.after_ms = e.ms < 0 ? 0 : e.ms;
    } catch (const fatal &e) {
        end.text = copy_text(c, e.what());
        end.is_fatal = true;
    } catch (const std::exception &e) {
        end.text = copy_text(c, e.what());
    } catch (...) {
        end.is_fatal = true;
    }
    end.fail(c);
}

/* Holds what is called later, until its owner goes. */
struct closure {
    virtual ~closure() = default;
};
template <class F> struct closure_of final : closure {
    explicit closure_of(F &&f) : fn(std::move(f)) {}
    F fn;
};
using closures = std::vector<std::unique_ptr<closure>>;

template <class F> F *add_closure(closures &to, F &&f)
{
    auto made = std::make_unique<closure_of<F>>(std::move(f));
    F *fn = &made->fn;
    to.push_back(std::move(made));
    return fn;
}

template <class F> sw_value run_step(sw_ctx *c, sw_value input);
template <class F> void run_handler(sw_ctx *c);

/* Calls fn(of, args...). `of` is NULL if the call that should have made it failed in a destructor, while an exception
 * unwound the stack: then this returns an empty value. */
template <auto fn, class Of, class... Args> auto call_of(Of *of, Args... args)
{
    if (of) return call<fn>(of, args...);
    return decltype(fn(of, args...))();
}

inline std::string_view view_of(sw_bytes b) { return {b.data ? b.data : "", b.len}; }

/* A group whose members have ended when it goes out of scope: they may look at the frames above it until then. */
class joined
{
  public:
    explicit joined(sw_group *g) : raw(g) {}
    ~joined()
    {
        if (!raw) return;
        own_exceptions own;
        sw_group_join(raw);
    }
    joined(const joined &) = delete;
    joined &operator=(const joined &) = delete;
    sw_group *const raw;
};
} // namespace detail

/* ---- Streaming calls ---- */

/* A streaming call, closed when the attempt that opened it ends. */
class stream
{
  public:
    explicit stream(sw_stream *s) : s_(s) {}
    const sw_response *head() const { return detail::call_of<sw_fetch_head>(s_); }
    std::string_view read() { return detail::view_of(detail::call_of<sw_fetch_read>(s_)); }
    bool next(sw_sse &event) { return detail::call_of<sw_sse_next>(s_, &event); }
    void close() { detail::call_of<sw_fetch_close>(s_); }

  private:
    sw_stream *s_;
};

/* ---- The context ---- */

class context
{
    sw_ctx *c_;
    template <auto fn, class... Args> auto in(Args... args) const { return detail::call<fn>(c_, args...); }

  public:
    explicit context(sw_ctx *c) : c_(c) {}
    sw_ctx *raw() const { return c_; }

    /* Calls any function of stepwell.h: c.call([&] { return sw_query(c.raw(), "q"); }). f() neither makes nor returns
     * an object that has a destructor. */
    template <class F> auto call(F f) const -> decltype(f()) { return detail::guarded(std::move(f)); }

    const char *param(const char *name) const { return in<sw_param>(name); }
    const char *query(const char *name) const { return in<sw_query>(name); }
    const char *header(const char *name) const { return in<sw_header>(name); }
    std::string_view body() const { return detail::view_of(in<sw_body>()); }
    sw_value body_json() const { return in<sw_body_json>(); }
    const char *run_id() const { return in<sw_run_id>(); }

    void reply_header(const char *name, const char *value) const { in<sw_reply_header>(name, value); }
    void reply_json(int status, sw_value v) const { in<sw_reply_json>(status, v); }
    void reply_text(int status, std::string_view text) const
    {
        in<sw_reply>(status, "text/plain; charset=utf-8", text.data(), text.size());
    }

    /* nullptr and void give nil. */
    sw_value value() const { return sw_nil(); }
    sw_value value(sw_value v) const { return v; }
    sw_value value(std::nullptr_t) const { return sw_nil(); }
    sw_value value(std::string_view s) const { return in<sw_strn>(s.data() ? s.data() : "", s.size()); }
    sw_value value(const char *text) const { return in<sw_str>(text); }
    sw_value value(const std::string &text) const { return value(std::string_view(text)); }
    template <class T> std::enable_if_t<std::is_arithmetic_v<T>, sw_value> value(T number) const
    {
        if constexpr (std::is_same_v<T, bool>)
            return sw_bool(number);
        else if constexpr (std::is_floating_point_v<T>)
            return sw_double(static_cast<double>(number));
        else
            return sw_int(static_cast<int64_t>(number));
    }

    /* c.map("item", "lamp", "count", 2) */
    template <class... More> sw_value map(More &&...more) const
    {
        static_assert(sizeof...(more) % 2 == 0, "a map is made of keys, each with its value");
        sw_value to = in<sw_map>(nullptr);
        add_pairs(to, std::forward<More>(more)...);
        return to;
    }
    template <class... Items> sw_value array(Items &&...items) const
    {
        sw_value to = in<sw_array>(0);
        (push(to, std::forward<Items>(items)), ...);
        return to;
    }
    template <class T> void push(sw_value &to, T &&item) const
    {
        sw_value v = value(std::forward<T>(item));
        in<sw_push>(&to, v);
    }
    template <class T> void set(sw_value &to, const char *key, T &&item) const
    {
        sw_value v = value(std::forward<T>(item));
        in<sw_set>(&to, key, v);
    }
    std::string_view json(sw_value v) const { return detail::view_of(in<sw_json>(v)); }
    sw_value parse(std::string_view text) const { return in<sw_json_parse>(text.data(), text.size()); }

    template <class F> sw_value step(const char *id, F f, sw_value input = sw_nil(), sw_step_options o = {}) const
    {
        o.arg = &f;
        return in<sw_step_with>(id, detail::run_step<F>, input, &o);
    }
    template <class F> sw_value each(const char *id, F f, sw_value inputs, sw_each_options o = {}) const
    {
        o.step.arg = &f;
        detail::joined g(in<sw_each_begin>(id, detail::run_step<F>, inputs, &o));
        return detail::call_of<sw_group_wait>(g.raw);
    }
    int attempt() const { return in<sw_attempt>(); }
    const char *step_key() const { return in<sw_step_key>(); }

    sw_response fetch(const sw_request &q) const { return in<sw_fetch>(&q); }
    sw_value fetch_json(const sw_request &q) const { return in<sw_fetch_json>(&q); }
    void response_check(const sw_request &q, const sw_response &r) const { in<sw_response_check>(&q, &r); }
    stream open(const sw_request &q) const { return stream(in<sw_fetch_open>(&q)); }

    void push_chunk(sw_value v) const { in<sw_push_chunk>(v); }
    void label(const char *key, const char *text) const { in<sw_label>(key, text); }
    void status(sw_value v) const { in<sw_status>(v); }
    void usage(const sw_usage_of &of) const { in<sw_usage>(&of); }
    void sleep(const char *id, int64_t ms) const { in<sw_sleep>(id, ms); }
    void sleep_until(const char *id, int64_t unix_ms) const { in<sw_sleep_until>(id, unix_ms); }
    /* Returns the signal; nothing at the timeout. */
    sw_value call(const char *id, const char *function, sw_value input, const sw_call_options &options = {}) const
    {
        return in<sw_call_with>(id, function, input, &options);
    }
    std::optional<sw_value> wait_for(const char *id, const sw_wait &wait) const
    {
        sw_value signal = sw_nil();
        if (!in<sw_wait_for>(id, &wait, &signal)) return std::nullopt;
        return signal;
    }
    bool send_signal(const char *id, const char *run_id, const char *signal, sw_value value) const
    {
        return in<sw_send_signal>(id, run_id, signal, value);
    }
    const char *signal_url(const char *id, const char *signal, const sw_question &question = {}) const
    {
        return in<sw_signal_url>(id, signal, &question);
    }
    int64_t now() const { return in<sw_now>(); }
    uint64_t random() const { return in<sw_random>(); }
    bool patch(const char *id) const { return in<sw_patch>(id); }
    const char *version() const { return in<sw_version>(); }
    void log(std::string_view text) const { in<sw_log>("%.*s", static_cast<int>(text.size()), text.data()); }

    /* Runs f() on another thread, and returns or throws what f does. f() uses no context. In a destructor, while an
     * exception unwinds the stack, a call that fails returns `result()`; if the type has none, the process ends. */
    template <class F> auto blocking(F f) const -> decltype(f())
    {
        using result = decltype(f());
        using stored = std::conditional_t<std::is_void_v<result>, char, result>;
        struct work {
            F *fn;
            std::optional<stored> out;
            std::exception_ptr thrown;
        } w{&f, {}, {}};
        in<sw_blocking>(run_work<work>, &w);
        if (w.thrown) std::rethrow_exception(w.thrown);
        if constexpr (!std::is_void_v<result>) {
            if (w.out) return std::move(*w.out);
            if constexpr (std::is_default_constructible_v<result>)
                return result();
            else
                std::terminate();
        }
    }

  private:
    void add_pairs(sw_value &) const {}
    template <class T, class... More> void add_pairs(sw_value &to, const char *key, T &&item, More &&...more) const
    {
        set(to, key, std::forward<T>(item));
        add_pairs(to, std::forward<More>(more)...);
    }
    template <class W> static void *run_work(void *arg)
    {
        W *w = static_cast<W *>(arg);
        try {
            if constexpr (std::is_void_v<decltype((*w->fn)())>)
                (*w->fn)();
            else
                w->out.emplace((*w->fn)());
        } catch (...) {
            w->thrown = std::current_exception();
        }
        return nullptr;
    }
};

/* ---- Groups ---- */

/* Steps and branches in parallel. When a group goes out of scope, all that it began has ended: its lambdas may capture
 * by reference what was declared before the group. */
class group
{
  public:
    explicit group(context c, sw_group_options o = {}) : g_(detail::call<sw_group_new_with>(c.raw(), &o)) {}
    group(const group &) = delete;
    group &operator=(const group &) = delete;

    template <class F> void step(const char *id, F f, sw_value input = sw_nil(), sw_step_options o = {})
    {
        o.arg = detail::add_closure(closures_, std::move(f));
        detail::call_of<sw_group_step_with>(g_.raw, id, detail::run_step<F>, input, &o);
    }
    template <class F> void branch(const char *id, F f, sw_value input = sw_nil())
    {
        void *arg = detail::add_closure(closures_, std::move(f));
        detail::call_of<sw_group_branch_arg>(g_.raw, id, detail::run_step<F>, input, arg);
    }
    void wait_for(const char *id, const sw_wait &wait) { detail::call_of<sw_group_wait_for>(g_.raw, id, &wait); }
    void call(const char *id, const char *function, sw_value input, sw_call_options o = {})
    {
        detail::call_of<sw_group_call_with>(g_.raw, id, function, input, &o);
    }
    void sleep(const char *id, int64_t ms) { detail::call_of<sw_group_sleep>(g_.raw, id, ms); }
    void sleep_until(const char *id, int64_t unix_ms) { detail::call_of<sw_group_sleep_until>(g_.raw, id, unix_ms); }
    /* Waits for the first success; returns its number among the members. */
    size_t any(const char *id, sw_value *out = nullptr) { return detail::call_of<sw_group_any>(g_.raw, id, out); }
    sw_value wait() { return detail::call_of<sw_group_wait>(g_.raw); }
    sw_value settle() { return detail::call_of<sw_group_settle>(g_.raw); }

  private:
    detail::closures closures_; /* destroyed after g_, which waits for the members that use the closures */
    detail::joined g_;
};

/* ---- The program ---- */

class app
{
  public:
    explicit app(const char *name) : app_(sw_app_new(name)) {}
    app(const app &) = delete;
    app &operator=(const app &) = delete;
    sw_app *raw() { return app_; } /* for flags, folders, sw_on_start */

    template <class F> void endpoint(const char *route, F handler, sw_endpoint_options o = {})
    {
        o.arg = detail::add_closure(closures_, std::move(handler));
        sw_endpoint(app_, route, detail::run_handler<F>, &o);
    }
    /* f(context) or f(context, input), as a step's lambda. */
    template <class F> void function(const char *name, F f, sw_function_options o = {})
    {
        o.arg = detail::add_closure(closures_, std::move(f));
        sw_function(app_, name, detail::run_step<F>, &o);
    }
    template <class F> void route(const char *route, F handler)
    {
        void *arg = detail::add_closure(closures_, std::move(handler));
        sw_route_arg(app_, route, detail::run_handler<F>, arg);
    }
    /* Serves until SIGTERM or SIGINT; returns the exit code. Once only. */
    int run(int argc, char **argv) { return sw_main(app_, argc, argv); }

  private:
    sw_app *app_;
    detail::closures closures_;
};

/* The bytes of a string value; empty if the value is no string. Valid as long as the value. */
inline std::string_view text(sw_value v)
{
    return v.type == MSGPACK_OBJECT_STR ? std::string_view(v.via.str.ptr, v.via.str.size) : std::string_view();
}

namespace detail
{
template <class F> auto invoke(F &f, context c, sw_value input)
{
    if constexpr (std::is_invocable_v<F &, context, sw_value>)
        return f(c, input);
    else
        return f(c);
}

template <class F> sw_value run_step(sw_ctx *c, sw_value input)
{
    F &f = *static_cast<F *>(sw_arg(c));
    auto body = [&]() -> sw_value {
        if constexpr (std::is_void_v<decltype(invoke(f, context(c), input))>) {
            invoke(f, context(c), input);
            return sw_nil();
        } else {
            return context(c).value(invoke(f, context(c), input));
        }
    };
    return boundary(c, body);
}

template <class F> void run_handler(sw_ctx *c)
{
    F &f = *static_cast<F *>(sw_arg(c));
    auto body = [&]() -> sw_value {
        f(context(c));
        return sw_nil();
    };
    (void)boundary(c, body);
}
} // namespace detail
} // namespace stepwell
#endif
