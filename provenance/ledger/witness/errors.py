"""What can go wrong with witnesses when they are set up."""

from provenance.core.errors import Conflict, Invalid, NotFound


class NotAWitnessKey(Invalid):
    """The text is no verifier key of the right kind: witnesses have cosignature/v1 keys, logs Ed25519 ones."""

    code = "not_a_witness_key"


class WitnessExists(Conflict):
    """The witness at this URL is asked already."""

    code = "witness_exists"


class NoSuchWitness(NotFound):
    """No witness is asked at this URL, or no log of this origin is witnessed."""

    code = "no_such_witness"


class NotCosigned(NotFound):
    """No head of the log carries a witness's signature yet."""

    code = "not_cosigned"
