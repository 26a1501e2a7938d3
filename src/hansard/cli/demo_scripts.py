"""What the sample sessions are played from: agents, and talks they have."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Agent:
    id: str
    name: str
    timezone: str
    prompt_id: str
    prompt_name: str
    versions: int
    target: str


@dataclass(frozen=True)
class Line:
    """Something said, or with `tool` something asked of one."""

    role: str = ""
    text: str = ""
    tool: str = ""
    arguments: Any = None
    result: Any = None


@dataclass(frozen=True)
class Script:
    agent: str
    lang: str
    media: tuple[str, ...]
    summary: str
    rating: str
    lines: tuple[Line, ...]
    is_outbound: bool = False


AGENTS = (
    Agent("1", "Front desk", "America/New_York", "5", "Reception", 4, "+18002832940"),
    Agent("2", "Pharmacy line", "America/Chicago", "6", "Refills", 3, "+18005550142"),
    Agent("3", "Reminder calls", "America/New_York", "7", "Reminders", 2, "+18005550177"),
    Agent("4", "Parcel desk", "Europe/Berlin", "8", "Deliveries", 5, "+4930901820"),
    Agent("5", "Shop chat", "Europe/Paris", "9", "Orders", 3, "shop-chat-1"),
)


def _agent(text: str) -> Line:
    return Line("agent", text)


def _user(text: str) -> Line:
    return Line("user", text)


SCRIPTS = (
    Script(
        "1",
        "en-US",
        ("voice",),
        "{name} booked an appointment for {day} at {time}.",
        "Good",
        (
            _agent("Thank you for calling Riverside Clinic. How can I help you today?"),
            _user("Hi, I need an appointment with Doctor Patel, sometime on {day} if that works."),
            _agent("Of course. Let me look at {day}. May I have your name, please?"),
            _user("It's {name}."),
            Line(
                tool="find_slot",
                arguments={"doctor": "Patel", "day": "{day}", "patient": {"name": "{name}", "new": False}},
                result={"slots": [{"day": "{day}", "time": "{time}"}, {"day": "{day}", "time": "16:15"}]},
            ),
            _agent("I have {time} on {day}. Shall I book it for you?"),
            _user("Yes, {time} is perfect."),
            Line(
                tool="book_slot",
                arguments={"day": "{day}", "time": "{time}", "notify": ["sms"]},
                result={"status": "booked", "confirmation": "RC-{number}"},
            ),
            _agent("Done. You are booked for {day} at {time}; the confirmation is RC {number}. Anything else?"),
            _user("No, that was all. Thank you!"),
            _agent("You're welcome, {name}. Goodbye."),
        ),
    ),
    Script(
        "1",
        "es-US",
        ("voice", "text"),
        "{name} preguntó por el horario y pidió hablar con una persona.",
        "Fair",
        (
            _agent("Gracias por llamar a la Clínica Riverside. ¿En qué puedo ayudarle?"),
            _user("Hola, ¿a qué hora abren mañana?"),
            _agent("Mañana abrimos a las ocho de la mañana y cerramos a las seis. ¿Desea algo más?"),
            _user("Sí, quisiera hablar con una persona."),
            Line(
                tool="transfer_call",
                arguments={"to": "front-desk", "reason": "asked for a person"},
                result={"status": "ringing"},
            ),
            _agent("Con gusto. Le comunico ahora mismo."),
        ),
    ),
    Script(
        "2",
        "en-US",
        ("voice", "text"),
        "{name} ordered a refill; it is ready on {day}.",
        "Good",
        (
            _agent("Pharmacy line, I can take refills. What is your prescription number?"),
            _user("It's {number}."),
            Line(
                tool="find_prescription",
                arguments={"number": "{number}"},
                result={"drug": "Lisinopril 10 mg", "refills_left": 2, "patient": "{name}"},
            ),
            _agent("I found Lisinopril ten milligrams for {name}, with two refills left. Shall I order it?"),
            _user("Yes please. When can I pick it up?"),
            Line(
                tool="order_refill",
                arguments={"number": "{number}", "pickup": True},
                result={"status": "ordered", "ready": "{day} {time}"},
            ),
            _agent("It will be ready on {day} from {time}. Is there anything else?"),
            _user("No, thanks."),
        ),
    ),
    Script(
        "3",
        "en-US",
        ("voice",),
        "{name} confirmed the appointment.",
        "Good",
        (
            _agent("Hello, this is Riverside Clinic with a reminder for {name}: {day} at {time}. Can you make it?"),
            _user("Yes, I'll be there."),
            Line(tool="confirm_visit", arguments={"visit": "RC-{number}"}, result={"status": "confirmed"}),
            _agent("Wonderful, see you on {day}."),
        ),
        is_outbound=True,
    ),
    Script(
        "3",
        "en-US",
        ("voice",),
        "The call reached a voicemail; a message was left.",
        "Fair",
        (
            _user("You have reached the voicemail of {name}. Please leave a message after the tone."),
            _agent("Hello, this is Riverside Clinic. Please call us back about your visit on {day}."),
        ),
        is_outbound=True,
    ),
    Script(
        "4",
        "de-DE",
        ("voice", "chat"),
        "{name} hat nach einer Sendung gefragt und einen neuen Zustelltag bekommen.",
        "Good",
        (
            _agent("Paketservice, guten Tag. Wie lautet Ihre Sendungsnummer?"),
            _user("Die Nummer ist {number}. Das Paket sollte längst da sein."),
            Line(
                tool="track_parcel",
                arguments={"number": "{number}"},
                result={"state": "delayed", "history": [{"place": "Köln", "at": "07:12"}], "eta": "{day}"},
            ),
            _agent("Das tut mir leid. Ihr Paket liegt in Köln und kommt am {day}. Passt Ihnen das?"),
            _user("Ja, aber bitte nach {time} Uhr."),
            Line(
                tool="reschedule",
                arguments={"number": "{number}", "not_before": "{time}"},
                result={"status": "ok"},
            ),
            _agent("Ist notiert: am {day} nach {time} Uhr. Vielen Dank für Ihre Geduld."),
        ),
    ),
    Script(
        "5",
        "fr-FR",
        ("chat", "text"),
        "{name} a demandé le remboursement de la commande {number}.",
        "Poor",
        (
            _agent("Bonjour ! Je suis l'assistant de la boutique. Que puis-je faire pour vous ?"),
            _user("Ma commande {number} est arrivée cassée. Je veux être remboursée."),
            Line(
                tool="find_order",
                arguments={"order": "{number}"},
                result={"total": {"amount": 49.9, "currency": "EUR"}, "items": [{"sku": "MUG-2", "quantity": 2}]},
            ),
            _agent("Je suis désolé. La commande {number} s'élève à 49,90 €. Voulez-vous un échange ?"),
            _user("Non, un remboursement. C'est la troisième fois que je le demande !"),
            _agent("C'est compris, je transmets votre demande tout de suite."),
        ),
    ),
    Script(
        "5",
        "en-GB",
        ("chat",),
        "{name} asked for a size and found it.",
        "Good",
        (
            _agent("Hello! I'm the shop's assistant. What can I do for you?"),
            _user("Do you have the blue jumper in medium?"),
            Line(
                tool="check_stock",
                arguments={"sku": "JUMPER-BLUE", "size": "M"},
                result={"in_stock": True, "quantity": 4},
            ),
            _agent("Yes, four of them. Would you like me to keep one for you until {day}?"),
            _user("Please do. <b>Thanks</b> & bye 👋"),
            _agent("It's kept under {number}. See you on {day}!"),
        ),
    ),
)
