"""apps/approvals, from the side of its clients, of the person who is asked, and of the office that sends mail and pays:
what the office has done is counted, also when the agent is killed again and again. Its README's session proves it.

Usage: approvals.py APPROVALS OFFICE UPSTREAM. Reports TAP."""
import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

from served import WAIT_S, Program, ask, ask_again, await_ledger, free_port, report

approvals, office, upstream = map(os.path.abspath, sys.argv[1:])
BOSS = "boss@shop.example"


def refund(customer, cents=1999):
    return {"customer": customer, "cents": cents, "reason": "The lamp came broken."}


@contextlib.contextmanager
def open_office(patience=3600):
    """The agent, not started, with the office and the model that it calls."""
    root = tempfile.mkdtemp(prefix="stepwell-approvals-")
    own = ("--dev", "--admin-listen", "none", "--listen")
    world = Program(office, *own, f"127.0.0.1:{free_port()}", "--data", f"{root}/office").start()
    model = Program(upstream, *own, "127.0.0.1:0", "--data", f"{root}/model").start()
    env = {**os.environ, "ANTHROPIC_BASE_URL": model.url, "ANTHROPIC_API_KEY": "any"}
    agent = Program(approvals, *own, f"127.0.0.1:{free_port()}", "--admin-on-public", "--data", f"{root}/agent",
                    "--loops", "2", "--office", world.url, env=env).start("--patience", str(patience))
    try:
        yield agent, world
    finally:
        for program in (agent, world, model):
            program.kill()
        shutil.rmtree(root, ignore_errors=True)


def to_boss(ledger):
    return [m for m in ledger["mails"] if m["to"] == BOSS]


def links(ledger):
    """What the person was sent, in the order in which it came."""
    return [re.search(r"http://\S+token=\S+", m["text"])[0] for m in to_boss(ledger)]


def await_links(world, count):
    found = links(await_ledger(world, lambda l: len(to_boss(l)) >= count))
    assert len(found) == count, found
    return found


def begin(agent, body):
    status, run = ask(agent.url + "/refunds", body, Prefer="respond-async")
    assert status == 202, (status, run)
    return run


def kinds(agent, run):
    """What the run has done, in order."""
    return [(e["kind"], e.get("id")) for e in ask(f"{agent.url}/_sw/runs/{run['runId']}")[1]["entries"]]


def await_kind(agent, run, wanted):
    until = time.monotonic() + WAIT_S
    while wanted not in (found := [kind for kind, _ in kinds(agent, run)]):
        assert time.monotonic() < until, found
        time.sleep(0.02)


def result(run):
    """What became of a refund; the client comes again for as long as it takes."""
    status, said = ask_again(run["outputUrl"])
    assert status == 200, (status, said)
    return said


def decide(link, answer):
    """Returns the status, and what was decided."""
    status, said = ask_again(link, answer)
    return status, said.get("decision", said.get("detail"))


def check_office(world, customers, mails_to_boss):
    """Those who were to be paid have been, once; each has a letter; so many mails were sent beside."""
    letters = sorted(customers)
    ledger = await_ledger(world, lambda l: len(l["mails"]) >= mails_to_boss + len(letters))
    assert sorted(r["customer"] for r in ledger["refunds"]) == letters, ledger["refunds"]
    assert sorted(m["to"] for m in ledger["mails"] if m["to"] != BOSS) == letters, ledger["mails"]
    assert len(to_boss(ledger)) == mails_to_boss, ledger["mails"]


def case_a_refund_is_approved_by_the_form_of_the_page():
    with open_office() as (agent, world):
        run = begin(agent, refund("ann"))
        [link] = await_links(world, 1)
        status, page = ask(link)
        assert status == 200 and "ann shall get 19.99 back: The lamp came broken." in page, page
        assert re.findall(r'name="answer" value="(.*?)"', page) == ["approve", "refuse", "change"], page
        value = re.search(r'name="form" value="(.*?)"', page)[1]
        form = urllib.parse.urlencode({"form": value, "answer": "approve"}).encode()
        as_form = {"Content_Type": "application/x-www-form-urlencoded"}
        assert ask(link)[0] == 200 and not ask(world.url + "/ledger")[1]["refunds"]  # looking decides nothing
        said = [ask_again(link, form, **as_form) for _ in range(2)]  # a double click
        assert [s for s, _ in said] == [200, 200] and all("<strong>approve</strong>" in p for _, p in said), said
        assert result(run)["decision"] == "approve"
        check_office(world, ["ann"], 1)
        assert decide(link, "refuse") == (200, "approve")  # long after


def case_a_refund_is_refused():
    with open_office() as (agent, world):
        run = begin(agent, refund("bob"))
        [link] = await_links(world, 1)
        assert decide(link, "perhaps")[0] == 400
        assert decide(link, "refuse") == (202, "refuse")
        assert result(run) == {"decision": "refuse", "refund": None}
        check_office(world, [], 1)


def case_a_letter_is_changed():
    with open_office() as (agent, world):
        run = begin(agent, refund("eve"))
        [first] = await_links(world, 1)
        assert decide(first, "change") == (202, "change")
        second = await_links(world, 2)[1]
        assert "What is to be changed" in ask(second)[1]
        assert decide(second, "less pathos") == (202, "less pathos")
        third = await_links(world, 3)[2]
        assert len({first, second, third}) == 3
        assert decide(first, "approve") == (200, "change")  # of an older mail
        assert decide(third, "approve") == (202, "approve")
        assert result(run)["decision"] == "approve"
        check_office(world, ["eve"], 3)


def case_a_letter_is_changed_so_often_and_no_more():
    with open_office() as (agent, world):
        run = begin(agent, refund("eve"))
        for mails in range(1, 9, 2):
            assert decide(await_links(world, mails)[-1], "change") == (202, "change")
            assert decide(await_links(world, mails + 1)[-1], f"wish {mails}")[0] == 202
        assert decide(await_links(world, 9)[-1], "change")[0] == 400
        assert decide(links(ask(world.url + "/ledger")[1])[-1], "refuse")[0] == 202
        assert result(run)["decision"] == "refuse"
        check_office(world, [], 9)


def reminded(patience):
    """Answers the reminder. False: it was over before that."""
    with open_office(patience) as (agent, world):
        run = begin(agent, refund("ann"))
        await_kind(agent, run, "sleep")
        agent.kill()  # the sleep goes on meanwhile, and the next one is longer
        agent.start("--patience", "3600")
        first, reminder = await_links(world, 2)
        assert first == reminder
        status, decision = decide(first, "approve")
        if status != 202:
            return False
        assert decision == "approve" and result(run)["decision"] == "approve"
        subjects = [m["subject"] for m in to_boss(ask(world.url + "/ledger")[1])]
        assert subjects == ["A refund waits for you", "Reminder: a refund waits for you"], subjects
        check_office(world, ["ann"], 2)
        return True


def case_who_does_not_answer_is_reminded_and_the_same_link_is_good():
    patience = 1
    while not reminded(patience):
        patience *= 2


def heard(patience):
    """Answers while the reminder is being mailed. False: it was mailed before that."""
    with open_office(patience) as (agent, world):
        run = begin(agent, refund("ann"))
        [link] = await_links(world, 1)
        await_kind(agent, run, "sleep")  # the mail's answer is there: the office may stand still
        world.process.send_signal(signal.SIGSTOP)
        try:
            await_kind(agent, run, "won")
            status, decision = decide(link, "approve")
            is_mailed = kinds(agent, run).count(("step done", "mail")) > 1
        finally:
            world.process.send_signal(signal.SIGCONT)
        if is_mailed:
            return False
        assert (status, decision) == (202, "approve"), (status, decision)
        assert result(run)["decision"] == "approve"
        check_office(world, ["ann"], 2)
        return True


def case_who_answers_while_the_reminder_is_mailed_is_heard():
    patience = 1
    while not heard(patience):
        patience *= 2


def case_nobody_answers():
    with open_office(patience=1) as (agent, world):
        run = begin(agent, refund("ann"))
        assert result(run) == {"decision": None, "refund": None}
        first, reminder = await_links(world, 2)
        assert first == reminder and ask(first)[0] == 410
        assert decide(first, "approve")[0] == 409
        check_office(world, [], 2)


def case_an_office_that_is_closed_stops_a_refund_and_loses_none():
    with open_office() as (agent, world):
        world.kill()
        run = begin(agent, refund("ann"))
        of_run = f"{agent.url}/_sw/runs/{run['runId']}"
        until = time.monotonic() + WAIT_S
        while ask(of_run)[1]["state"] != "stopped":
            assert time.monotonic() < until, ask(of_run)
            time.sleep(0.1)
        world.start()
        assert ask(of_run + "/release", b"")[0] == 200
        [link] = await_links(world, 1)
        assert decide(link, "approve") == (202, "approve")
        assert result(run)["decision"] == "approve"
        check_office(world, ["ann"], 1)


def case_of_many_clicks_at_once_one_counts():
    with open_office() as (agent, world):
        run = begin(agent, refund("ann"))
        [link] = await_links(world, 1)
        told = []
        clicks = [threading.Thread(target=lambda a: told.append(decide(link, a)), args=(a,), daemon=True)
                  for a in ("approve", "refuse", "change") * 5]
        for click in clicks:
            click.start()
        for click in clicks:
            click.join(WAIT_S)
        assert sorted(s for s, _ in told) == [200] * 14 + [202] and len({d for _, d in told}) == 1, told
        decision = told[0][1]
        if decision == "change":
            assert decide(await_links(world, 2)[1], "shorter")[0] == 202
            assert decide(await_links(world, 3)[2], "approve") == (202, "approve")
        assert result(run)["decision"] == ("refuse" if decision == "refuse" else "approve")
        check_office(world, [] if decision == "refuse" else ["ann"], 3 if decision == "change" else 1)


def case_what_is_no_refund_costs_nothing():
    with open_office() as (agent, world):
        for body, why in (({}, "customer"), ({**refund("ann"), "customer": 7}, "customer"),
                          ({**refund("ann"), "customer": ""}, "customer"),
                          ({**refund("ann"), "customer": "a" * 255}, "254"),
                          ({**refund("ann"), "reason": None}, "reason"),
                          ({**refund("ann"), "reason": "x" * 4001}, "4000"),
                          (refund("ann", 0), "cents"), (refund("ann", "7"), "cents"), ([], "customer")):
            status, said = ask(agent.url + "/refunds", body)
            assert status == 400 and why in said["error"], (body, status, said)
        assert ask(agent.url + "/refunds", b"{")[0] == 400
        assert not any(ask(world.url + "/ledger")[1].values())


def refused(*flags, **env):
    env = {name: value for name, value in {**os.environ, **env}.items() if value is not None}
    said = subprocess.run([approvals, *flags], capture_output=True, text=True, timeout=WAIT_S, env=env,
                          cwd=tempfile.gettempdir())
    assert said.returncode == 2, said
    return said.stderr


def case_what_is_missing_is_told_at_the_start():
    assert "ANTHROPIC_API_KEY" in refused(ANTHROPIC_API_KEY=None)
    for patience in ("0", "-1", "soon", "99999999999999999"):
        assert "--patience" in refused("--patience", patience, ANTHROPIC_API_KEY="any")


class Person(threading.Thread):
    """Answers every mail once, and each link that says so once more with something else; asks again when the agent is
    not there."""

    def __init__(self, world):
        super().__init__(daemon=True)
        self.world, self.ends, self.told = world, threading.Event(), []

    def answer_to(self, mail):
        number = int(re.search(r"customer (\d+) shall", mail["text"])[1])
        if "What is to be changed" in mail["text"]:
            return "shorter"
        if number % 4 == 2 and not self.has_changed(number):
            return "change"
        return "refuse" if number % 4 == 1 else "approve"

    def has_changed(self, number):
        return any(n == number for n, _, _ in self.told)

    def run(self):
        answered = 0
        while not self.ends.is_set():
            ledger = ask(self.world.url + "/ledger")[1]
            for mail, link in list(zip(to_boss(ledger), links(ledger)))[answered:]:
                answered += 1
                answer = self.answer_to(mail)
                number = int(re.search(r"customer (\d+) shall", mail["text"])[1])
                status, decision = decide(link, answer)
                self.told.append((number, answer, (status, decision)))
                if number % 4 == 3:
                    self.told.append((number, answer, decide(link, "refuse")))
            time.sleep(0.02)


def case_kills_neither_lose_nor_double_anything():
    count, results = 20, {}
    with open_office() as (agent, world):
        person = Person(world)

        def client(number):
            results[number] = ask_again(agent.url + "/refunds", refund(f"customer {number}", number),
                                        Idempotency_Key=f"refund-{number}")

        clients = [threading.Thread(target=client, args=(n,), daemon=True) for n in range(1, count + 1)]
        for thread in (person, *clients):
            thread.start()
        for done in range(3, 60, 7):  # of about 60 things that the office does
            await_ledger(world, lambda l, done=done: sum(map(len, l.values())) >= done)
            time.sleep(random.random() * 0.1)
            agent.kill()
            agent.start("--patience", "3600")
        for thread in clients:
            thread.join(WAIT_S)
        person.ends.set()
        person.join(WAIT_S)
        paid = [f"customer {n}" for n in range(1, count + 1) if n % 4 != 1]
        check_office(world, paid, count + 2 * len(range(2, count + 1, 4)))
        found = links(ask(world.url + "/ledger")[1])
        assert len(set(found)) == len(found), found
    assert len(results) == count and all(status == 200 for status, _ in results.values()), results
    for number, (_, said) in results.items():
        assert said["decision"] == ("refuse" if number % 4 == 1 else "approve"), (number, said)
    for number, answer, (status, decision) in person.told:
        assert decision == answer and status in (200, 202), (number, answer, status, decision)


report(globals())
