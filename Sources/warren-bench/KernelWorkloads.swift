import WarrenKernel
import WarrenTrace

/// Keeps a number of timers pending: takes the earliest and puts it back later.
struct Holder: Machine {
    let count: Int
    let stream: StreamID
    let law = Law.exponential(mean: 1e9)

    mutating func handle(_ event: Event, _ turn: inout Turn) {
        switch event {
        case .started:
            for timer in 0..<count {
                turn.arm(TimerID(UInt32(timer)), after: turn.chance.sample(law, stream))
            }
        case .rang(let timer):
            turn.arm(timer, after: turn.chance.sample(law, stream))
        case .accepted, .connected, .arrived, .closed, .stored, .ordered, .stopping:
            break
        }
    }
}
