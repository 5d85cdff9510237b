//! What can be wrong with devices, and how the API says it.

use kernel::problem::{FieldError, Problem};

use crate::devices::Device;

/// A refusal about a device.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// No such device in this venue.
    #[error("there is no such device")]
    NoSuchDevice,
    /// The version that the client has seen is not the present one.
    #[error("the device was changed meanwhile")]
    Stale(Stale),
    /// The code was never made, was used, or is too old.
    #[error("there is no such code")]
    NoSuchCode,
    /// The digits are those of another key.
    #[error("the fingerprint is another one")]
    OtherFingerprint,
    /// Nobody vouches for the device (yet, or any more).
    #[error("the device waits for approval")]
    Pending,
    /// The device was revoked.
    #[error("the device was revoked")]
    Revoked,
    /// The challenge was not answered with the device's key, too late, or twice.
    #[error("the proof does not count")]
    WrongProof,
}

/// A device as it is now.
#[derive(Debug)]
pub struct Stale(pub(crate) Box<Device>);

impl DeviceError {
    /// The problem that the API answers.
    pub(crate) fn problem(&self) -> Problem {
        match self {
            Self::NoSuchDevice => Problem::new(
                404,
                "identity.no_such_device",
                "There is no such device",
                "This venue has no such device. List the devices anew.",
            ),
            Self::Stale(Stale(current)) => Problem::new(
                412,
                "identity.stale_device",
                "It was changed meanwhile",
                "Nothing was changed: the device is not as you saw it. Look at `current`, decide \
                 again, and send its version.",
            )
            .with_current(current),
            Self::NoSuchCode => Problem::new(
                422,
                "identity.no_such_code",
                "The code cannot be used",
                "It was not made here, was used before, or is older than ten minutes. Ask a \
                 manager for another one.",
            ),
            Self::OtherFingerprint => {
                let detail = "These are not the digits of this device. Look at both once more; if \
                              they differ, somebody else used the code: revoke the device.";
                let pointer = "/fingerprint".to_owned();
                let error = FieldError { pointer, code: "other", detail: detail.to_owned() };
                Problem::new(422, "identity.other_fingerprint", "The digits differ", detail)
                    .with_errors(vec![error])
            }
            Self::Pending => Problem::new(
                409,
                "identity.device_pending",
                "The device waits for approval",
                "A manager has to compare the twenty digits and approve it; also again, when whoever \
                 approved it is no longer a manager.",
            ),
            Self::Revoked => Problem::new(
                409,
                "identity.device_revoked",
                "The device was revoked",
                "It may not be used any more. Pair it again as a new device.",
            ),
            Self::WrongProof => Problem::new(
                401,
                "identity.wrong_proof",
                "The proof does not count",
                "Ask for a new challenge and sign it, with the time, with the device's own key \
                 within a minute.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_says_its_own_status_and_code() {
        let cases = [
            (DeviceError::NoSuchDevice, 404, "identity.no_such_device"),
            (DeviceError::NoSuchCode, 422, "identity.no_such_code"),
            (DeviceError::OtherFingerprint, 422, "identity.other_fingerprint"),
            (DeviceError::Pending, 409, "identity.device_pending"),
            (DeviceError::Revoked, 409, "identity.device_revoked"),
            (DeviceError::WrongProof, 401, "identity.wrong_proof"),
        ];
        for (error, status, code) in cases {
            assert_eq!((error.problem().status, error.problem().code), (status, code));
        }
    }
}
