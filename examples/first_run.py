"""The smallest recorded agent: one tool, one model, one run. No key and no network are needed.

    python examples/first_run.py
    tally runs ls

The model is scripted (tallystick.testing), everything else is real. With a key of your own, leave the ModelServer out
and let the client talk to your provider.
"""

from __future__ import annotations

import json

from openai import OpenAI

import tallystick
from tallystick.testing import Ask, Call, ModelServer, Say

STOCK = {"kettle": 3, "toaster": 0}


@tallystick.tool(effect="read")
def in_stock(item: str) -> int:
    """How many of an item are on the shelf."""
    return STOCK.get(item, 0)


@tallystick.agent(name="shopkeeper", version="1.0.0")
def shopkeeper(client: OpenAI, question: str) -> str:
    """Answer a question about the stock."""
    messages = [{"role": "system", "content": "You are a shopkeeper."}, {"role": "user", "content": question}]
    tool = {
        "name": "in_stock",
        "parameters": {"type": "object", "properties": {"item": {"type": "string"}}, "required": ["item"]},
    }
    while True:
        answer = tallystick.model_call(
            client.chat.completions.create,
            model="gpt-4o-mini",
            messages=messages,
            tools=[{"type": "function", "function": tool}],
        )
        message = answer.choices[0].message
        if not message.tool_calls:
            return message.content
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls:
            count = in_stock(**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": str(count)})


def script(ask: Ask) -> Say:
    """What the model says: look first, then tell."""
    if not ask.results:
        return Say(calls=[Call("in_stock", {"item": "kettle"})])
    return Say(f"We have {ask.results[-1]} kettles.")


def main() -> None:
    """Record one run into the local store."""
    tallystick.init(agent="shopkeeper")
    with ModelServer(script) as server, OpenAI(base_url=server.url, api_key="none") as client:
        with tallystick.run(goal="Do you have kettles?", workflow="shop") as run:
            text = shopkeeper(client, "Do you have kettles?")
            run.output(text)
        print(text)
        print(f"recorded as run {run.id[:12]}: tally runs show {run.id[:12]}")


if __name__ == "__main__":
    main()
