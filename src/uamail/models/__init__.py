"""Ground floor: what is kept, and which moves are allowed."""

from uamail.models.action import Action, ActionRevision, ModelLetter, Target
from uamail.models.address import Address, AddressLines
from uamail.models.alert import Alert, AlertMessage, AlertWatch
from uamail.models.appeal import Appeal, ImportRun
from uamail.models.attempt import Attempt
from uamail.models.audit import AuditAnchor, AuditCheckpoint, AuditEvent, AuditLeaf, AuditNode, AuditSpan
from uamail.models.base import Base
from uamail.models.batch import Batch, BatchFile, Piece, Posting
from uamail.models.counter import Counter
from uamail.models.delivery import Delivery, Exclusion, PetitionRun
from uamail.models.faxresult import FaxResult
from uamail.models.incoming import Incoming
from uamail.models.lane import Lane, Limit, Turn
from uamail.models.maillog import LogRead, LogTrace
from uamail.models.measure import Timing, Worker
from uamail.models.office import Office
from uamail.models.operator import Operator
from uamail.models.relay import Relay
from uamail.models.release import Hold, Release, Suppression
from uamail.models.signer import Signer, Tombstone, VaultItem

__all__ = [
    "Action",
    "ActionRevision",
    "Address",
    "AddressLines",
    "Alert",
    "AlertMessage",
    "AlertWatch",
    "Appeal",
    "Attempt",
    "AuditAnchor",
    "AuditCheckpoint",
    "AuditEvent",
    "AuditLeaf",
    "AuditNode",
    "AuditSpan",
    "Base",
    "Batch",
    "BatchFile",
    "Counter",
    "Delivery",
    "Exclusion",
    "FaxResult",
    "Hold",
    "ImportRun",
    "Incoming",
    "Lane",
    "Limit",
    "LogRead",
    "LogTrace",
    "ModelLetter",
    "Office",
    "Operator",
    "PetitionRun",
    "Piece",
    "Posting",
    "Relay",
    "Release",
    "Signer",
    "Suppression",
    "Target",
    "Timing",
    "Tombstone",
    "Turn",
    "VaultItem",
    "Worker",
]
